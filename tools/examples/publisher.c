/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/* publisher POOL TEXT... : each TEXT becomes a message of demo/text/line. */
#include <stdio.h>
#include <string.h>
#include <zerocore/zerocore.h>

int main(int argc, char **argv)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_pool_t *pool = NULL;
	zc_writer_t *writer = NULL;
	zc_handle_t block;
	zc_result_t result = zc_pool_open(argc > 1 ? argv[1] : "demo", &pool);

	options.service = "demo/text/line";
	options.history = 16; /* kept for whoever comes later */
	if (!result)
		result = zc_writer_register(pool, &options, &writer);
	for (int i = 2; !result && i < argc; i++) {
		size_t bytes = strlen(argv[i]) + 1;

		result = zc_writer_acquire_block(writer, bytes, &block, ZC_TIMEOUT_FOREVER);
		if (!result) {
			memcpy(zc_writer_block_data(writer, block, NULL), argv[i], bytes);
			result = zc_writer_commit_block(writer, block);
		}
	}
	if (result)
		fprintf(stderr, "publisher: %s\n", zc_last_error());
	zc_writer_unregister(writer);
	zc_pool_close(pool);
	return result != ZC_OK;
}
