/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_type_bounds.c - descriptions and parts at their limits, and past each of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness_type.h"

#define NUMBER_MAX 0x1fffffffU		/* that a tag can say */

static zc_type_value_t values[4];
static zc_type_t of_enum = { sizeof(zc_type_t), "mode", NULL, values, NULL, ZC_TYPE_ENUM,
			     4, 0, 2, ZC_TYPE_I32 };
static zc_type_field_t fields[3];
static zc_type_t of_struct = { sizeof(zc_type_t), "pair", fields, NULL, NULL,
			       ZC_TYPE_STRUCT, 16, 4, 3, 0 };
static char long_name[200];

static const zc_type_t *get_enum(void)
{
	return &of_enum;
}

static const zc_type_t *get_none(void)
{
	return NULL;
}

/* As they should be. */
static void mend(void)
{
	static const zc_type_value_t good_values[] = { { "off", 0 }, { "on", 1 } };
	static const zc_type_field_t good_fields[] = {
		{ "mode", get_enum, 0, 4, 0, 0, 0 },
		{ "a", NULL, 4, 2, 2, 2, ZC_TYPE_I16 },
		{ "s", NULL, 12, 4, 0, 0, ZC_TYPE_STRING },
	};

	memcpy(values, good_values, sizeof(good_values));
	memcpy(fields, good_fields, sizeof(good_fields));
	of_enum = (zc_type_t){ sizeof(zc_type_t), "mode", NULL, values, NULL, ZC_TYPE_ENUM,
			       4, 0, 2, ZC_TYPE_I32 };
	of_struct = (zc_type_t){ sizeof(zc_type_t), "pair", fields, NULL, NULL,
				 ZC_TYPE_STRUCT, 16, 4, 3, 0 };
	memset(long_name, 'x', sizeof(long_name) - 1);
}

static void says(const char *what)
{
	if (!strstr(zc_last_error(), what))
		T_FAIL("\"%s\" does not say \"%s\"", zc_last_error(), what);
}

#define REFUSED(change, word)                                                  \
	do {                                                                   \
		mend();                                                        \
		CHECK_OK(zc_type_check(&of_struct));                           \
		change;                                                        \
		CHECK_RESULT(zc_type_check(&of_struct), ZC_ERROR_INVALID);     \
		says(word);                                                    \
		CHECK_EQ(zc_type_fingerprint(&of_struct), 0);                  \
		CHECK_EQ(zc_type_shape(&of_struct, text, sizeof(text)), 0);    \
	} while (0)
#define TAKEN(change)                                                          \
	do {                                                                   \
		mend();                                                        \
		change;                                                        \
		CHECK_OK(zc_type_check(&of_struct));                           \
		CHECK(zc_type_fingerprint(&of_struct));                        \
		CHECK(zc_type_shape(&of_struct, text, sizeof(text)));          \
	} while (0)

static void description_past_each_limit_refused(void)
{
	char text[2000];

	REFUSED(of_struct.sz = 8, "a description of a type is needed");
	REFUSED(of_struct.name = NULL, "a name in the type (null)");
	REFUSED(of_struct.name = long_name, "1 to 127 characters");
	REFUSED(of_struct.bytes = NUMBER_MAX + 1, "no size or no alignment");
	REFUSED(of_struct.align = 0, "no size or no alignment");
	REFUSED(of_struct.align = 3, "no size or no alignment");
	REFUSED(of_struct.align = 1U << 31, "no size or no alignment");
	REFUSED(of_struct.nr = 1 << 20, "fields");
	REFUSED(of_struct.fields = NULL, "fields");
	REFUSED(of_struct.element = 0x77, "no type of element 119");
	REFUSED(fields[0].of = get_none, "another size than its type");
	REFUSED(fields[0].bytes = 8, "another size than its type");
	REFUSED(fields[0].name = NULL, "a name in the type pair");
	REFUSED(fields[0].offset = UINT32_MAX, "ends behind");
	REFUSED(fields[1].bytes = 0, "no size");
	REFUSED(fields[1].bytes = NUMBER_MAX + 1, "no size");
	REFUSED(fields[1].count = NUMBER_MAX + 1, "no size");
	REFUSED(fields[1].inner = NUMBER_MAX + 1, "no size");
	REFUSED(fields[1].count = 0, "no size");
	REFUSED((fields[1].count = NUMBER_MAX, fields[1].inner = 2), "ends behind");
	REFUSED((fields[1].of = get_enum, of_enum.nr = 1 << 20), "mode has at most");
	REFUSED(fields[1].bytes = 4, "no element of 4 bytes");
	REFUSED(fields[2].bytes = 5, "ends behind");
	REFUSED(fields[2].bytes = 0, "no size");
	REFUSED(of_enum.underlying = ZC_TYPE_F32, "no integer of that size");
	REFUSED(of_enum.underlying = ZC_TYPE_I64, "no integer of that size");
	REFUSED(of_enum.values = NULL, "values");
	REFUSED(of_enum.name = "", "a name in the type");
	REFUSED(of_enum.name = NULL, "a name in the type (null)");
	REFUSED(values[1].name = NULL, "a name in the type mode");
	REFUSED(values[0].name = long_name, "a name in the type mode");
	TAKEN(of_enum.nr = 0);
	TAKEN((of_enum.nr = 0, of_enum.values = NULL));
	TAKEN(fields[2].element = ZC_TYPE_UNTYPED);
	TAKEN((of_struct.bytes = 1 << 20, fields[2].bytes = 300));
	TAKEN((of_struct.bytes = 1 << 20, fields[2].bytes = 70000));
	long_name[127] = '\0';
	CHECK(!zc_type_basic(ZC_TYPE_STRUCT));
	CHECK(zc_type_basic(ZC_TYPE_UNTYPED));
	CHECK(zc_type_basic(ZC_TYPE_STRING));
	CHECK_RESULT(zc_type_check(zc_type_basic(ZC_TYPE_STRING)), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_type_check(zc_type_basic(ZC_TYPE_UNTYPED)), ZC_ERROR_INVALID);
	CHECK_OK(zc_type_check(zc_type_basic(ZC_TYPE_F32)));
}

/* Descriptions that are sound, and too long all the same. */
static void description_too_long_refused(void)
{
	enum { MANY = 1000 };
	zc_type_field_t *many = calloc(MANY, sizeof(*many));
	char (*names)[120] = calloc(MANY, sizeof(*names));
	zc_pool_t *pool = t_pool_create(NULL);
	zc_type_part_t parts[40];
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *writer;
	zc_handle_t handle;

	mend();
	CHECK(many && names);
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "%0100u", i);
		many[i] = (zc_type_field_t){ names[i], NULL, i, 1, 0, 0, ZC_TYPE_U8 };
	}
	of_struct.fields = many;
	of_struct.bytes = 1000;
	of_struct.nr = 20;
	CHECK_OK(zc_type_check(&of_struct));
	of_struct.nr = MANY;
	CHECK_RESULT(zc_type_check(&of_struct), ZC_ERROR_INVALID);
	/* Each is within the limit, and all of them are not. */
	of_struct.nr = 20;
	for (unsigned int i = 0; i < 40; i++)
		parts[i] = (zc_type_part_t){ i * 1000, &of_struct, 0 };
	o.service = SERVICE;
	o.type_room = ZC_TYPE_TAGS_MAX;
	CHECK_OK(zc_writer_register(pool, &o, &writer));
	CHECK_OK(zc_writer_acquire_block(writer, 100000, &handle, t_wait_ns()));
	CHECK_OK(zc_writer_describe_block(writer, handle, parts, 20));
	CHECK_RESULT(zc_writer_describe_block(writer, handle, parts, 40), ZC_ERROR_SIZE);
	says("at most 65536 bytes");
	CHECK_OK(zc_writer_cancel_block(writer, handle));
	free(names);
	free(many);
}

static void part_past_each_limit_refused(void)
{
	const zc_type_t *u64 = zc_type_basic(ZC_TYPE_U64);
	const zc_type_part_t good = { 8, u64, 0 };
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *writer, *plain;
	zc_reader_t *reader;
	zc_block_type_t type = { .sz = sizeof(type) };
	zc_handle_t handle, other, untagged;
	zc_type_part_t p;

	mend();
	o.service = SERVICE;
	o.type_room = 1000;
	CHECK_OK(zc_writer_register(pool, &o, &writer));
	CHECK_OK(try_reader(pool, NULL, &reader));
	handle = acquire(writer, 100);
#define PART(change, expected)                                                 \
	do {                                                                   \
		p = good;                                                      \
		change;                                                        \
		CHECK_RESULT(zc_writer_describe_block(writer, handle, &p, 1), expected); \
	} while (0)
	PART(, ZC_OK);
	PART(p.type = NULL, ZC_ERROR_INVALID);
	PART(p.count = NUMBER_MAX + 1UL, ZC_ERROR_INVALID);
	PART(p.offset = 101, ZC_ERROR_SIZE);
	PART(p.offset = 93, ZC_ERROR_SIZE);
	PART(p.offset = 92, ZC_OK);
	PART(p.count = 12, ZC_ERROR_SIZE);
	PART(p.count = 11, ZC_OK);
	PART((p.offset = 0, p.count = 11), ZC_OK);
	PART(p.type = zc_type_basic(ZC_TYPE_STRING), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_describe_block(writer, handle + 1, &good, 1),
		     ZC_ERROR_FORGED_HANDLE);
	/* A part that does not begin the message gives it no name, and no type. */
	CHECK_OK(zc_writer_describe_block(writer, handle, &good, 1));
	CHECK_OK(zc_writer_commit_block(writer, handle));
	other = poll(reader);
	CHECK_OK(zc_reader_block_type(reader, other, &type));
	CHECK_EQ(type.parts, 1);
	CHECK_EQ(type.fingerprint, 0);
	CHECK(!type.name[0]);
	CHECK_OK(zc_reader_release_block(reader, other));
	/* No room, no tags. */
	o.service = "type/bounds/plain";
	o.type_room = 0;
	CHECK_OK(zc_writer_register(pool, &o, &plain));
	untagged = acquire(plain, 100);
	CHECK_RESULT(zc_writer_describe_block(plain, untagged, &good, 1), ZC_ERROR_SIZE);
	says("type_room");
	CHECK_OK(zc_writer_cancel_block(plain, untagged));
	zc_writer_unregister(plain);
	/* More than there can be. */
	o.type_room = ZC_TYPE_TAGS_MAX + 1;
	CHECK_RESULT(zc_writer_register(pool, &o, &plain), ZC_ERROR_INVALID);
	o.type_room = ZC_TYPE_TAGS_MAX;
	o.type = u64;
	CHECK_RESULT(zc_writer_register(pool, &o, &plain), ZC_ERROR_INVALID);
	says("type_room is 65536");
}

/* Messages whose type and tags are more than a segment. */
static void type_larger_than_a_segment_refused(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *writer;
	zc_pool_t *pool;

	mend();
	options.bytes = options.segment_bytes = 64U << 10;
	pool = t_pool_create(&options);
	o.service = SERVICE;
	o.type_room = ZC_TYPE_TAGS_MAX;
	CHECK_RESULT(zc_writer_register(pool, &o, &writer), ZC_ERROR_SIZE);
	says("more than a segment");
	o.type_room = 0;
	fields[2].bytes = 1 << 20;
	of_struct.bytes = 2 << 20;
	o.type = &of_struct;
	CHECK_RESULT(zc_writer_register(pool, &o, &writer), ZC_ERROR_SIZE);
	says("more than a segment");
	/* Nothing of them is left. */
	o.type = NULL;
	CHECK_OK(zc_writer_register(pool, &o, &writer));
	zc_writer_unregister(writer);
}

static void type_that_is_unsound_is_nobodys(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_handle_t handle, held;
	zc_type_t bad = *zc_type_basic(ZC_TYPE_U64);

	mend();
	bad.sz = 0;
	CHECK_OK(try_writer(pool, zc_type_basic(ZC_TYPE_U64), &writer));
	CHECK_OK(try_reader(pool, NULL, &reader));
	handle = acquire(writer, 8);
	CHECK(!zc_writer_typed_data(writer, handle, &bad));
	CHECK(!zc_writer_typed_data(writer, handle, NULL));
	CHECK(!zc_writer_typed_data(writer, handle, zc_type_basic(ZC_TYPE_U32)));
	CHECK(zc_writer_typed_data(writer, handle, zc_type_basic(ZC_TYPE_U64)));
	CHECK_RESULT(zc_writer_describe_block(writer, handle, NULL, 0), ZC_ERROR_TYPE);
	CHECK_OK(zc_writer_commit_block(writer, handle));
	held = poll(reader);
	CHECK(!zc_reader_typed_data(reader, held, &bad));
	says("a description of a type is needed");
	CHECK(!zc_reader_typed_data(reader, held, NULL));
	CHECK_OK(zc_reader_release_block(reader, held));
}

static int stop_at(const zc_type_node_t *n, void *ctx)
{
	int *left = ctx;

	(void)n;
	return --*left == 0;
}

/* A visitor that has seen enough is left in peace. */
static void walk_ends_wherever_it_is_told(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_type_part_t p[2] = { { 0, &of_struct, 0 }, { 16, &of_struct, 2 } };
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_handle_t handle;
	int steps = 0;

	mend();
	o.service = SERVICE;
	o.type_room = 1000;
	CHECK_OK(zc_writer_register(pool, &o, &writer));
	CHECK_OK(try_reader(pool, NULL, &reader));
	handle = acquire(writer, 48);
	CHECK_OK(zc_writer_describe_block(writer, handle, p, 2));
	CHECK_OK(zc_writer_commit_block(writer, handle));
	handle = poll(reader);
	CHECK_OK(zc_reader_walk_block(reader, handle, stop_at, &steps));
	steps = -steps;
	CHECK_OP(steps, >, 20);
	for (int n = 1; n <= steps; n++) {
		int left = n;

		CHECK_OK(zc_reader_walk_block(reader, handle, stop_at, &left));
		CHECK_EQ(left, 0);
	}
	CHECK_OK(zc_reader_release_block(reader, handle));
	/* And there is nothing to walk through in what is not described. */
	handle = acquire(writer, 48);
	CHECK_OK(zc_writer_commit_block(writer, handle));
	handle = poll(reader);
	steps = 0;
	CHECK_OK(zc_reader_walk_block(reader, handle, stop_at, &steps));
	CHECK_EQ(steps, 0);
	CHECK_OK(zc_reader_release_block(reader, handle));
}

static const struct t_case cases[] = {
	T_CASE(description_past_each_limit_refused),
	T_CASE(description_too_long_refused),
	T_CASE(part_past_each_limit_refused),
	T_CASE(type_larger_than_a_segment_refused),
	T_CASE(type_that_is_unsound_is_nobodys),
	T_CASE(walk_ends_wherever_it_is_told),
	T_END
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
