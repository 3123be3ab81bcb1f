// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * typed.c - a typed message as JSON, whatever program wrote it.
 *
 * 64-bit integers are numbers, whole; NaN and infinities, which JSON does not have, are
 * the strings "NaN", "Infinity", "-Infinity".  A float has as many digits as it needs to
 * be the same when it is read again.
 */
#include "typed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one message: nobody reads more, and a made up one may have billions. */
#define VALUES_MAX 65536U

struct json {
	struct json_object *in[2 * ZC_TYPE_DEPTH_MAX + 2];
	unsigned int depth;
	unsigned int values;
	bool too_many;
};

/* An array of arrays of strings, and a char, are text up to the first NUL. */
static struct json_object *text(const char *bytes, size_t nr)
{
	struct json_object *o = json_object_new_object(), *value = NULL;

	nr = strnlen(bytes, nr);
	/* Bytes that are no UTF-8 are made printable there. */
	cli_json_text(o, "text", bytes, nr);
	json_object_object_get_ex(o, "text", &value);
	json_object_get(value);
	json_object_put(o);
	return value;
}

static struct json_object *hex(const unsigned char *bytes, size_t nr)
{
	static const char digits[] = "0123456789abcdef";
	struct json_object *o = NULL;
	char *out = malloc(2 * nr + 1);
	size_t i;

	if (!out)
		return NULL;
	for (i = 0; i < nr; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	o = json_object_new_string_len(out, (int)(2 * nr));
	free(out);
	return o;
}

static struct json_object *number(double value, bool is_float)
{
	char shown[40];
	int digits;

	if (isnan(value))
		return json_object_new_string("NaN");
	if (isinf(value))
		return json_object_new_string(value < 0 ? "-Infinity" : "Infinity");
	for (digits = 1; digits <= 17; digits++) {
		snprintf(shown, sizeof(shown), "%.*g", digits, value);
		if (is_float ? strtof(shown, NULL) == (float)value :
			       strtod(shown, NULL) == value)
			break;
	}
	return json_object_new_double_s(value, shown);
}

static struct json_object *value_of(const zc_type_node_t *node)
{
	struct json_object *o = NULL;
	unsigned char *copy;
	double f64;
	float f32;

	if (node->value_name[0])
		return json_object_new_string(node->value_name);
	/* Once: it may change under us. */
	copy = malloc(node->bytes);
	if (!copy)
		return NULL;
	memcpy(copy, node->data, node->bytes);
	switch (node->element) {
#define INTEGER(what, type, make)                                              \
	case what: {                                                           \
		type i;                                                        \
		memcpy(&i, copy, sizeof(i));                                   \
		o = make(i);                                                   \
		break;                                                         \
	}
	INTEGER(ZC_TYPE_I8, int8_t, json_object_new_int64)
	INTEGER(ZC_TYPE_U8, uint8_t, json_object_new_int64)
	INTEGER(ZC_TYPE_I16, int16_t, json_object_new_int64)
	INTEGER(ZC_TYPE_U16, uint16_t, json_object_new_int64)
	INTEGER(ZC_TYPE_I32, int32_t, json_object_new_int64)
	INTEGER(ZC_TYPE_U32, uint32_t, json_object_new_int64)
	INTEGER(ZC_TYPE_I64, int64_t, json_object_new_int64)
	INTEGER(ZC_TYPE_U64, uint64_t, json_object_new_uint64)
#undef INTEGER
	case ZC_TYPE_BOOL:
		o = json_object_new_boolean(copy[0] != 0);
		break;
	case ZC_TYPE_F32:
		memcpy(&f32, copy, sizeof(f32));
		o = number((double)f32, true);
		break;
	case ZC_TYPE_F64:
		memcpy(&f64, copy, sizeof(f64));
		o = number(f64, false);
		break;
	case ZC_TYPE_CHAR:
	case ZC_TYPE_STRING:
		o = text((const char *)copy, node->bytes);
		break;
	default:
		o = hex(copy, node->bytes);
	}
	free(copy);
	return o;
}

static void put(struct json *j, const zc_type_node_t *node, struct json_object *o)
{
	struct json_object *in = j->in[j->depth];
	const char *name = node->name[0] ? node->name : node->type_name;
	char key[24];

	if (json_object_is_type(in, json_type_array)) {
		json_object_array_add(in, o);
		return;
	}
	snprintf(key, sizeof(key), "%zu", node->offset);
	/* Several parts may be of one type. */
	if (!name[0] || json_object_object_get_ex(in, name, NULL))
		name = key;
	json_object_object_add(in, name, o);
}

static int visit(const zc_type_node_t *node, void *ctx)
{
	struct json *j = ctx;
	struct json_object *o;

	if (node->what == ZC_VISIT_END) {
		j->depth--;
		return 0;
	}
	if (++j->values > VALUES_MAX) {
		j->too_many = true;
		return 1;
	}
	if (node->what == ZC_VISIT_VALUE) {
		put(j, node, value_of(node));
		return 0;
	}
	o = node->what == ZC_VISIT_ARRAY ? json_object_new_array() :
					   json_object_new_object();
	put(j, node, o);
	j->in[++j->depth] = o;
	return 0;
}

struct json_object *typed_json(zc_reader_t *reader, zc_handle_t block)
{
	struct json j = { .in = { json_object_new_object() } };
	zc_result_t result = zc_reader_walk_block(reader, block, visit, &j);
	char why[80];

	if (result != ZC_OK) {
		cli_json_string(j.in[0], "error", zc_last_error());
	} else if (j.too_many) {
		snprintf(why, sizeof(why), "there are more than %u values", VALUES_MAX);
		cli_json_string(j.in[0], "error", why);
	} else if (!j.values) {
		json_object_put(j.in[0]);
		return NULL;
	}
	return j.in[0];
}
