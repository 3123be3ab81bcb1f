/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_type.c - messages say what they are.
 */
#include <stdio.h>
#include <string.h>

#include "harness_type.h"

enum mode { MODE_OFF, MODE_SLOW = 3, MODE_FAST = 7 };
struct vec3 {
	double x, y, z;
};
struct sample {
	uint64_t stamp;
	float acc[3];
	bool valid;
	enum mode mode;
	struct vec3 at[2];
	char frame[16];
	int16_t matrix[2][3];
	char names[2][8];
	int8_t last;
};
struct other {
	uint64_t stamp;
	float acc[4];
};

ZC_ENUM(enum mode, ZC_VALUE(MODE_OFF), ZC_VALUE(MODE_SLOW), ZC_VALUE_AS("fast", MODE_FAST));
ZC_TYPE(struct vec3, ZC_FIELD(f64, x), ZC_FIELD(f64, y), ZC_FIELD(f64, z));
ZC_TYPE(struct sample, ZC_FIELD(u64, stamp), ZC_FIELD(f32, acc), ZC_FIELD(bool, valid),
	ZC_NESTED(enum mode, mode), ZC_NESTED(struct vec3, at), ZC_FIELD(string, frame),
	ZC_MATRIX(i16, matrix), ZC_STRINGS(names), ZC_FIELD(i8, last));
ZC_TYPE(struct other, ZC_FIELD(u64, stamp), ZC_FIELD(f32, acc));

static const struct sample first = {
	.stamp = 1ULL << 60,
	.acc = { 1, 2, 3 },
	.valid = true,
	.mode = MODE_FAST,
	.at = { { 1, 2, 3 }, { -4, -5, -6 } },
	.frame = "base_link",
	.matrix = { { 1, 2, 3 }, { 4, 5, -6 } },
	.names = { "left", "right" },
	.last = -1,
};

/* What a walk comes to, as text. */
struct text {
	char text[4096];
	size_t nr;
};

static int write_down(const zc_type_node_t *n, void *ctx)
{
	struct text *t = ctx;
	char *to = t->text + t->nr;
	size_t room = sizeof(t->text) - t->nr;
	int64_t i = 0;
	double d;
	float f;

	if (n->name[0] && n->what != ZC_VISIT_END)
		t->nr += (size_t)snprintf(to, room, "%s=", n->name);
	to = t->text + t->nr;
	room = sizeof(t->text) - t->nr;
	switch (n->what) {
	case ZC_VISIT_STRUCT:
		t->nr += (size_t)snprintf(to, room, "%s{ ", n->type_name);
		return 0;
	case ZC_VISIT_ARRAY:
		t->nr += (size_t)snprintf(to, room, "%zu[ ", n->count);
		return 0;
	case ZC_VISIT_END:
		t->nr += (size_t)snprintf(to, room, "} ");
		return 0;
	case ZC_VISIT_VALUE:
		break;
	}
	if (n->value_name[0]) {
		t->nr += (size_t)snprintf(to, room, "%s ", n->value_name);
	} else if (n->element == ZC_TYPE_STRING) {
		t->nr += (size_t)snprintf(to, room, "%.*s ", (int)n->bytes,
					  (const char *)n->data);
	} else if (n->element == ZC_TYPE_F32) {
		memcpy(&f, n->data, 4);
		t->nr += (size_t)snprintf(to, room, "%g ", (double)f);
	} else if (n->element == ZC_TYPE_F64) {
		memcpy(&d, n->data, 8);
		t->nr += (size_t)snprintf(to, room, "%g ", d);
	} else {
		memcpy(&i, n->data, n->bytes);
		t->nr += (size_t)snprintf(to, room, "%lld ", (long long)i);
	}
	return 0;
}

static const char *walked(zc_reader_t *reader, zc_handle_t handle)
{
	static struct text t;

	t.nr = 0;
	t.text[0] = '\0';
	CHECK_OK(zc_reader_walk_block(reader, handle, write_down, &t));
	return t.text;
}

static uint32_t parts(zc_reader_t *reader, zc_handle_t handle, uint64_t fingerprint)
{
	zc_block_type_t type = { .sz = sizeof(type) };

	CHECK_OK(zc_reader_block_type(reader, handle, &type));
	CHECK_EQ(type.fingerprint, fingerprint);
	return type.parts;
}

static void says(const char *what)
{
	if (!strstr(zc_last_error(), what))
		T_FAIL("\"%s\" does not say \"%s\"", zc_last_error(), what);
}

/* --- descriptions ---------------------------------------------------------------------- */

static void type_shape_and_fingerprint(void)
{
	char shape[1024];
	struct zc_type_field changed[2];
	zc_type_t type = *ZC_TYPE_OF(struct other);
	uint64_t was = zc_type_fingerprint(&type);

	CHECK(was && was == zc_type_fingerprint(ZC_TYPE_OF(struct other)));
	CHECK(was != zc_type_fingerprint(ZC_TYPE_OF(struct sample)));
	zc_type_shape(&type, shape, sizeof(shape));
	if (strcmp(shape, "struct other { u64 stamp; f32 acc[4]; } (24 bytes)"))
		T_FAIL("the shape is %s", shape);
	CHECK_EQ(zc_type_shape(ZC_TYPE_OF(struct sample), shape, 8),
		 zc_type_shape(ZC_TYPE_OF(struct sample), shape, sizeof(shape)));
	CHECK(strstr(shape, "struct sample { u64 stamp; f32 acc[3]; bool valid; "
		     "enum mode:u32 { MODE_OFF = 0, MODE_SLOW = 3, fast = 7 } mode; "
		     "struct vec3 { f64 x; f64 y; f64 z; } at[2]; string frame[16]; "
		     "i16 matrix[2][3]; string names[2][8]; i8 last; }"));
	/* Name, field, size, offset: each is a part of it. */
	type.known = NULL;
	type.fields = changed;
#define DIFFERS(change)                                                        \
	do {                                                                   \
		type.name = "other";                                           \
		type.bytes = 24;                                               \
		memcpy(changed, ZC_TYPE_OF(struct other)->fields,              \
		       sizeof(changed));                                       \
		CHECK_EQ(zc_type_fingerprint(&type), was);                     \
		change;                                                        \
		CHECK(zc_type_fingerprint(&type));                             \
		CHECK(zc_type_fingerprint(&type) != was);                      \
	} while (0)
	DIFFERS(type.name = "another");
	DIFFERS(type.bytes = 32);
	DIFFERS(changed[1].name = "acd");
	DIFFERS(changed[1].count = 3);
	DIFFERS(changed[0].element = ZC_TYPE_I64);
	DIFFERS((changed[1].offset = 12, changed[1].count = 3));
#undef DIFFERS
}

static void type_unsound_refused(void)
{
	struct zc_type_field f[2];
	zc_type_t type = *ZC_TYPE_OF(struct other);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer;
	zc_reader_t *reader;

	type.known = NULL;
	type.fields = f;
#define REFUSED(change)                                                        \
	do {                                                                   \
		type.nr = 2;                                                   \
		type.bytes = 24;                                               \
		memcpy(f, ZC_TYPE_OF(struct other)->fields, sizeof(f));        \
		CHECK_OK(zc_type_check(&type));                                \
		change;                                                        \
		CHECK_RESULT(zc_type_check(&type), ZC_ERROR_INVALID);          \
		CHECK_EQ(zc_type_fingerprint(&type), 0);                       \
		CHECK_RESULT(try_writer(pool, &type, &writer), ZC_ERROR_INVALID); \
		CHECK_RESULT(try_reader(pool, &type, &reader), ZC_ERROR_INVALID); \
	} while (0)
	REFUSED(f[1].offset = 4);
	REFUSED(f[1].offset = 12);
	REFUSED(f[1].count = UINT32_MAX);
	REFUSED(f[1].name = "stamp");
	REFUSED(f[1].name = "");
	REFUSED(f[1].name = "a b");
	REFUSED(f[1].bytes = 8);
	REFUSED(f[1].element = 0x50);
	REFUSED(type.nr = 0);
	REFUSED(type.bytes = 0);
#undef REFUSED
	CHECK_RESULT(zc_type_check(NULL), ZC_ERROR_INVALID);
}

static const zc_type_t *itself(void);
static const zc_type_field_t itself_fields[] = { { "me", itself, 0, 8, 0, 0, 0 } };
static const zc_type_t itself_type = { sizeof(zc_type_t), "itself", itself_fields, NULL, NULL,
				       ZC_TYPE_STRUCT, 8, 8, 1, 0 };
static const zc_type_t *itself(void)
{
	return &itself_type;
}

static void type_that_contains_itself_refused(void)
{
	CHECK_RESULT(zc_type_check(itself()), ZC_ERROR_INVALID);
	says("16 structs");
}

/* --- tags --------------------------------------------------------------------------------- */

static void tags_say_what_is_there(zc_guard_t guard)
{
	zc_pool_options_t options = t_pool_options();
	const zc_type_t *type = ZC_TYPE_OF(struct sample);
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_handle_t handle;
	zc_pool_t *pool;
	size_t more;

	options.guard = guard;
	pool = t_pool_create(&options);
	CHECK_OK(try_writer(pool, type, &writer));
	CHECK_OK(try_reader(pool, NULL, &reader));
	CHECK_RESULT(zc_writer_acquire_block(writer, sizeof(first) - 1, &handle, 0),
		     ZC_ERROR_SIZE);
	/* Each size of what is behind it; often enough that blocks come back. */
	for (more = 0; more < 600; more++) {
		handle = acquire(writer, sizeof(first) + more);
		CHECK_RESULT(zc_writer_resize_block(writer, handle, sizeof(first) - 1),
			     ZC_ERROR_SIZE);
		CHECK(zc_writer_typed_data(writer, handle, type));
		*ZC_WRITER_DATA_AS(struct sample, writer, handle) = first;
		/* Tags stay where they are. */
		if (more % 3 == 0)
			CHECK_OK(zc_writer_resize_block(writer, handle, sizeof(first)));
		if (more % 7 == 3) {
			CHECK_OK(zc_writer_cancel_block(writer, handle));
			continue;
		}
		CHECK_OK(zc_writer_commit_block(writer, handle));
		handle = poll(reader);
		CHECK_EQ(parts(reader, handle, zc_type_fingerprint(type)), 1);
		CHECK(!strcmp(walked(reader, handle),
			      "sample{ stamp=1152921504606846976 acc=3[ 1 2 3 } valid=1 "
			      "mode=fast at=2[ vec3{ x=1 y=2 z=3 } vec3{ x=-4 y=-5 z=-6 } } "
			      "frame=base_link matrix=2[ 3[ 1 2 3 } 3[ 4 5 65530 } } "
			      "names=2[ left right } last=255 } "));
		CHECK_EQ(ZC_READER_DATA_AS(struct sample, reader, handle)->stamp, first.stamp);
		CHECK(!ZC_READER_DATA_AS(struct other, reader, handle));
		says("struct sample { u64 stamp;");
		says("not struct other { u64 stamp; f32 acc[4]; } (24 bytes)");
		CHECK_OK(zc_reader_release_block(reader, handle));
	}
}

struct imu {
	uint64_t stamp;
	float acc[3];
	char frame[16];
};
ZC_TYPE(struct imu, ZC_FIELD(u64, stamp), ZC_FIELD(f32, acc), ZC_FIELD(string, frame));

static void type_tags_say_what_is_there(void)
{
	tags_say_what_is_there(ZC_GUARD_OFF);
}

static void type_tags_of_guarded_messages(void)
{
	tags_say_what_is_there(ZC_GUARD_FULL);
}

static void type_tags_of_marked_messages(void)
{
	tags_say_what_is_there(ZC_GUARD_MAGIC);
}

/* Byte by byte what Documentation/types.rst has. */
static void type_tags_as_documented(void)
{
	static const char tags[] = "\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0"
				   "\x11\x03" "imu\x28\x08\x03" "\x05" "stamp\0\x0b"
				   "\x03" "acc\x08\x14\x0c\x01\x03" "\x05" "frame\x14\x0e\x10";
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_handle_t handle;
	const char *data;
	uint64_t hash = 0xcbf29ce484222325;
	size_t i;

	CHECK_OK(try_writer(pool, ZC_TYPE_OF(struct imu), &writer));
	CHECK_OK(try_reader(pool, ZC_TYPE_OF(struct imu), &reader));
	CHECK_OK(zc_writer_commit_block(writer, acquire(writer, 41)));
	handle = poll(reader);
	data = zc_reader_block_data(reader, handle, NULL);
	CHECK(!memcmp(data + 64, tags, sizeof(tags) - 1));
	for (i = 16; i < sizeof(tags) - 1; i++)
		hash = (hash ^ (unsigned char)tags[i]) * 0x100000001b3;
	CHECK_EQ(parts(reader, handle, hash), 1);
}

static void type_described_block_by_block(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_type_part_t p[] = { { 0, ZC_TYPE_OF(struct other), 0 },
			       { 24, zc_type_basic(ZC_TYPE_U16), 3 },
			       { 30, zc_type_basic(ZC_TYPE_STRING), 10 } };
	uint64_t fingerprint = zc_type_fingerprint(p[0].type);
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_handle_t handle;

	options.service = SERVICE;
	options.type_room = 160;
	CHECK_OK(zc_writer_register(pool, &options, &writer));
	CHECK_OK(try_reader(pool, NULL, &reader));
	for (int i = 0; i < 200; i++) {
		handle = acquire(writer, 40);
		memset(zc_writer_block_data(writer, handle, NULL), 0, 40);
		memcpy(zc_writer_block_data(writer, handle, NULL), "\x01\0\0\0\0\0\0", 8);
		memcpy((char *)zc_writer_block_data(writer, handle, NULL) + 24,
		       "\1\0\2\0\3\0hello", 11);
		p[0].offset = 1;
		CHECK_RESULT(zc_writer_describe_block(writer, handle, p, 2), ZC_ERROR_INVALID);
		p[0].offset = 0;
		CHECK_RESULT(zc_writer_describe_block(writer, handle, p, 65), ZC_ERROR_INVALID);
		p[2].count = 11;
		CHECK_RESULT(zc_writer_describe_block(writer, handle, p, 3), ZC_ERROR_SIZE);
		p[2].count = 10;
		CHECK_OK(zc_writer_describe_block(writer, handle, p, 1));
		CHECK_OK(zc_writer_describe_block(writer, handle, p + 1, 2));
		CHECK_OK(zc_writer_describe_block(writer, handle, p, i % 4));
		if (i % 4 == 3)
			CHECK_RESULT(zc_writer_resize_block(writer, handle, 39), ZC_ERROR_SIZE);
		CHECK_OK(zc_writer_commit_block(writer, handle));
		handle = poll(reader);
		CHECK_EQ(parts(reader, handle, i % 4 ? fingerprint : 0), i % 4);
		if (i % 4 == 3)
			CHECK(!strcmp(walked(reader, handle),
				      "other{ stamp=1 acc=4[ 0 0 0 0 } } 3[ 1 2 3 } hello "));
		CHECK_OK(zc_reader_release_block(reader, handle));
	}
	/* Nothing is described that nobody described. */
	handle = acquire(writer, 40);
	CHECK_OK(zc_writer_commit_block(writer, handle));
	CHECK_EQ(parts(reader, poll(reader), 0), 0);
	/* What has no room. */
	handle = acquire(writer, sizeof(first));
	p[0].type = ZC_TYPE_OF(struct sample);
	CHECK_RESULT(zc_writer_describe_block(writer, handle, p, 1), ZC_ERROR_SIZE);
	says("type_room");
}

/* An untyped writer takes blocks over that had tags, in each way that there is. */
static void type_of_untyped_message_is_none(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_handle_t handle;
	int turn, i;

	for (turn = 0; turn < 3; turn++) {
		CHECK_OK(try_writer(pool, ZC_TYPE_OF(struct sample), &writer));
		CHECK_OK(try_reader(pool, ZC_TYPE_OF(struct sample), &reader));
		for (i = 0; i < 5000; i++) {
			CHECK_OK(zc_writer_commit_block(writer,
							acquire(writer, sizeof(first) + (size_t)i % 3000)));
			if (turn && i > 4990)
				continue;
			handle = poll(reader);
			CHECK_OK(zc_reader_release_block(reader, handle));
		}
		zc_reader_unregister(reader);
		zc_writer_unregister(writer);
		CHECK_OK(try_writer(pool, NULL, &writer));
		CHECK_OK(try_reader(pool, NULL, &reader));
		while (zc_reader_poll_block(reader, 0, &handle, 0) == ZC_OK)
			CHECK_OK(zc_reader_release_block(reader, handle));
		for (i = 0; i < 5000; i++) {
			CHECK_OK(zc_writer_commit_block(writer, acquire(writer, 1 + (size_t)i % 3000)));
			handle = poll(reader);
			CHECK_EQ(parts(reader, handle, 0), 0);
			CHECK(!ZC_READER_DATA_AS(struct other, reader, handle));
			CHECK_OK(zc_reader_release_block(reader, handle));
		}
		zc_reader_unregister(reader);
		zc_writer_unregister(writer);
	}
	/* Another service gets that memory, too. */
	struct t_writer w;
	struct t_reader r;

	t_writer_open(&w, pool, "type/test/two", NULL);
	t_reader_open(&r, pool, "type/test/two", NULL);
	for (i = 0; i < 5000; i++) {
		t_write(&w, 100);
		handle = t_read(&r);
		CHECK_EQ(parts(r.role, handle, 0), 0);
		t_release(&r, handle);
	}
}

/* --- checked access ------------------------------------------------------------------------ */

static void both_shapes(void)
{
	says("struct sample { u64 stamp; f32 acc[3]; bool valid;");
	says("struct other { u64 stamp; f32 acc[4]; } (24 bytes)");
}

static void type_of_zora_access_checked(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	const zc_type_t *type = ZC_TYPE_OF(struct sample);
	struct sample copy;
	struct other other;
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_handle_t handle;
	zora_id_t w, r;

	CHECK_OK(try_writer(pool, type, &writer));
	CHECK_OK(try_reader(pool, type, &reader));
	CHECK_OK(zora_register_writer(writer, &w));
	CHECK_OK(zora_register_reader(reader, &r));
	handle = acquire(writer, sizeof(first));
	CHECK_RESULT(zora_store_typed(w, handle, ZC_TYPE_OF(struct other), &first), ZC_ERROR_TYPE);
	CHECK_RESULT(zora_store_typed(w, handle + 1, type, &first), ZC_ERROR_FORGED_HANDLE);
	CHECK_OK(zora_store_typed(w, handle, type, &first));
	CHECK_OK(zc_writer_commit_block(writer, handle));
	handle = poll(reader);
	CHECK_RESULT(zora_store_typed(r, handle, type, &first), ZC_ERROR_PERMISSION);
	CHECK_RESULT(zora_load_typed(r, handle, ZC_TYPE_OF(struct other), &other), ZC_ERROR_TYPE);
	both_shapes();
	CHECK_OK(zora_load_typed(r, handle, type, &copy));
	CHECK(!memcmp(&copy.at, &first.at, sizeof(copy.at)));
	CHECK_RESULT(zora_load_typed(r, handle, NULL, &copy), ZC_ERROR_INVALID);
}

/* --- what anybody may have written ------------------------------------------------------------ */

static int count(const zc_type_node_t *n, void *ctx)
{
	uint64_t *sum = ctx;
	const volatile unsigned char *at = n->data;
	size_t i;

	/* All of it can be read. */
	if (n->what == ZC_VISIT_VALUE)
		for (i = 0; i < n->bytes; i++)
			*sum += at[i];
	return 0;
}

/* Tags that their writer changes after the commit. */
static void type_tags_garbled_harm_nobody(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_block_type_t type = { .sz = sizeof(type) };
	uint64_t sum = 0, good = 0, bad = 0;
	unsigned char saved[512], *tags;
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_handle_t handle;
	zc_result_t result;

	t_srand(t_seed());
	CHECK_OK(try_writer(pool, ZC_TYPE_OF(struct sample), &writer));
	CHECK_OK(try_reader(pool, NULL, &reader));
	handle = acquire(writer, sizeof(first));
	tags = zc_writer_block_data(writer, handle, NULL);
	tags += (sizeof(first) + 16 + 7) & ~7UL;
	CHECK_OK(zc_writer_commit_block(writer, handle));
	handle = poll(reader);
	CHECK_OK(zc_reader_block_type(reader, handle, &type));
	CHECK(type.tags_bytes < sizeof(saved));
	memcpy(saved, tags, type.tags_bytes);
	for (int i = 0; i < 100000; i++) {
		memcpy(tags, saved, type.tags_bytes);
		for (uint64_t n = t_rand_below(4) + 1; n; n--)
			tags[t_rand_below(type.tags_bytes)] = (unsigned char)t_rand();
		result = zc_reader_walk_block(reader, handle, count, &sum);
		if (result == ZC_OK)
			good++;
		else
			bad++;
		CHECK(result == ZC_OK || result == ZC_ERROR_CORRUPT_BLOCK);
	}
	t_note("%llu made sense, %llu did not", (unsigned long long)good, (unsigned long long)bad);
	CHECK(good && bad);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(type_shape_and_fingerprint),
		T_CASE(type_unsound_refused),
		T_CASE(type_that_contains_itself_refused),
		T_CASE(type_tags_say_what_is_there),
		T_CASE(type_tags_of_guarded_messages),
		T_CASE(type_tags_of_marked_messages),
		T_CASE(type_tags_as_documented),
		T_CASE(type_described_block_by_block),
		T_CASE(type_of_untyped_message_is_none),
		T_CASE(type_of_zora_access_checked),
		T_CASE(type_tags_garbled_harm_nobody),
		T_END
	};

	return t_main(argc, argv, cases);
}
