/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer.c - a program with a type, for types.sh: valid C11 and C++11.
 *
 *	peer shape			fingerprint and shape
 *	peer write POOL SERVICE NR	writes NR messages, waits until its stdin ends
 *	peer read POOL SERVICE NR	reads NR messages, each of which must be what was written
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zerocore/zerocore.h>

#ifdef __cplusplus
#define AS(type, value) static_cast<type>(value)
#else
#define AS(type, value) ((type)(value))
#endif

enum mode { MODE_OFF = -1, MODE_SLOW = 3, MODE_FAST = 7 };

struct vec3 {
	double x, y, z;
};

typedef struct {
	int8_t a;
	int64_t b;
} pair_t;

struct imu {
	uint64_t stamp;
#ifdef CHANGED
	float acc[4];
#else
	float acc[3];
#endif
	bool valid;
	char grade;
	enum mode mode;
	struct vec3 at[2];
	char frame[16];
	int16_t matrix[2][3];
	char names[2][8];
	pair_t pair;
	unsigned long wide;
	long long longest;
	uint8_t raw[5];
	union {
		int i;
		float f;
	} either;
	double nothing, least;
};

ZC_ENUM(enum mode, ZC_VALUE(MODE_OFF), ZC_VALUE(MODE_SLOW), ZC_VALUE_AS("fast", MODE_FAST));
ZC_TYPE(struct vec3, ZC_FIELD(f64, x), ZC_FIELD(f64, y), ZC_FIELD(f64, z));
ZC_TYPE_AS(pair_t, pair, ZC_FIELD(i8, a), ZC_FIELD(i64, b));
ZC_TYPE(struct imu, ZC_FIELD(u64, stamp), ZC_FIELD(f32, acc), ZC_FIELD(bool, valid),
	ZC_FIELD(char, grade), ZC_NESTED(enum mode, mode), ZC_NESTED(struct vec3, at),
	ZC_FIELD(string, frame), ZC_MATRIX(i16, matrix), ZC_STRINGS(names),
	ZC_NESTED_AS(pair_t, pair, pair), ZC_FIELD(u64, wide), ZC_FIELD(i64, longest),
	ZC_FIELD(u8, raw), ZC_FIELD(untyped, either), ZC_FIELD(f64, nothing),
	ZC_FIELD(f64, least));

static int failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, zc_last_error());
	return 1;
}

static void fill(struct imu *m, uint64_t n)
{
	memset(m, 0, sizeof(*m));
	m->stamp = UINT64_MAX - n;
	m->acc[0] = 0.1f;
	m->acc[1] = -1.5e30f;
	m->acc[2] = AS(float, n);
	m->valid = true;
	m->grade = 'A';
	m->mode = n % 2 ? MODE_OFF : MODE_FAST;
	m->at[0].x = 0.1;
	m->at[1].z = 1e-300;
	strcpy(m->frame, "base \"link\"");
	m->matrix[1][2] = -6;
	strcpy(m->names[0], "left");
	memcpy(m->names[1], "righttt!", 8);
	m->pair.a = -1;
	m->pair.b = INT64_MIN;
	m->wide = 1;
	m->longest = -2;
	m->raw[4] = 255;
	m->either.i = 0x01020304;
	m->nothing = AS(double, NAN);
	m->least = -AS(double, INFINITY);
}

static int write_some(zc_pool_t *pool, const char *service, uint64_t nr)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *writer;
	zc_handle_t handle;
	struct imu *m;
	uint64_t i;

	options.service = service;
	options.type = ZC_TYPE_OF(struct imu);
	options.history = 16;
	if (zc_writer_register(pool, &options, &writer))
		return failed("writer");
	for (i = 0; i < nr; i++) {
		if (zc_writer_acquire_block(writer, sizeof(*m), &handle, ZC_TIMEOUT_FOREVER))
			return failed("acquire");
		m = ZC_WRITER_DATA_AS(struct imu, writer, handle);
		if (!m)
			return failed("data");
		fill(m, i);
		if (zc_writer_commit_block(writer, handle))
			return failed("commit");
	}
	puts("written");
	fflush(stdout);
	while (getchar() != EOF)
		;
	zc_writer_unregister(writer);
	return 0;
}

static int read_some(zc_pool_t *pool, const char *service, uint64_t nr)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_reader_t *reader;
	zc_handle_t handle;
	const struct imu *m;
	struct imu want;
	uint64_t i;

	options.service = service;
	options.type = ZC_TYPE_OF(struct imu);
	options.history = 16;
	if (zc_reader_register(pool, &options, &reader))
		return failed("reader");
	puts("reading");
	fflush(stdout);
	for (i = 0; i < nr; i++) {
		if (zc_reader_poll_block(reader, 0, &handle, 20000000000))
			return failed("poll");
		m = ZC_READER_DATA_AS(struct imu, reader, handle);
		if (!m)
			return failed("data");
		fill(&want, i);
		if (memcmp(m, &want, sizeof(want))) {
			fprintf(stderr, "message %d is another one\n", AS(int, i));
			return 1;
		}
		if (zc_reader_release_block(reader, handle))
			return failed("release");
	}
	zc_reader_unregister(reader);
	return 0;
}

int main(int argc, char **argv)
{
	char shape[2048];
	zc_pool_t *pool;
	uint64_t nr;
	int status;

	if (argc == 2) {
		if (!zc_type_shape(ZC_TYPE_OF(struct imu), shape, sizeof(shape)))
			return failed("shape");
		printf("%016llx %s\n",
		       AS(unsigned long long, zc_type_fingerprint(ZC_TYPE_OF(struct imu))), shape);
		return 0;
	}
	if (argc != 5)
		return 2;
	if (zc_pool_open(argv[2], &pool))
		return failed("pool");
	nr = strtoull(argv[4], NULL, 10);
	status = argv[1][0] == 'w' ? write_some(pool, argv[3], nr) :
				     read_some(pool, argv[3], nr);
	zc_pool_close(pool);
	return status;
}
