/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/* subscriber POOL : prints demo/text/line until nothing came for a second. */
#include <stdio.h>
#include <zerocore/zerocore.h>

int main(int argc, char **argv)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_pool_t *pool = NULL;
	zc_reader_t *reader = NULL;
	zc_handle_t block;
	zc_result_t result = zc_pool_open(argc > 1 ? argv[1] : "demo", &pool);

	options.service = "demo/text/line";
	options.history = 16; /* begin with what was sent before */
	if (!result)
		result = zc_reader_register(pool, &options, &reader);
	while (!result) {
		result = zc_reader_poll_block(reader, 64, &block, 1000000000ULL);
		if (!result) {
			size_t bytes;
			const char *text = zc_reader_block_data(reader, block, &bytes);

			printf("%.*s\n", (int)bytes, text); /* where it lies */
			result = zc_reader_release_block(reader, block);
		}
	}
	if (result != ZC_ERROR_TIMEOUT)
		fprintf(stderr, "subscriber: %s\n", zc_last_error());
	zc_reader_unregister(reader);
	zc_pool_close(pool);
	return result != ZC_ERROR_TIMEOUT;
}
