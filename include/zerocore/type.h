/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * type.h - what is in a message: described once, known to every reader.
 *
 *	struct imu {
 *		uint64_t stamp;
 *		float acc[3];
 *		struct vec3 at;
 *		char frame[16];
 *	};
 *	ZC_TYPE(struct imu,
 *		ZC_FIELD(u64, stamp),
 *		ZC_FIELD(f32, acc),
 *		ZC_NESTED(struct vec3, at),
 *		ZC_FIELD(string, frame));
 *
 * A writer with options.type = ZC_TYPE_OF(struct imu) puts type tags behind each payload:
 * any reader can look at them, knowing nothing of the program (`zerocore sub`).  A reader
 * with options.type is refused, with ZC_ERROR_TYPE and a sentence that has both shapes,
 * where name, fields, sizes or offsets are others than the writer's; and vice versa.
 * That each field has the kind that it is said to have is checked by the compiler, in C11
 * and in C++11 (of gcc or clang), and both come to the same tags.
 *
 * Documentation/types.rst has the tags byte by byte.  (Reference 1.4, section 3.)
 */
#ifndef ZEROCORE_TYPE_H
#define ZEROCORE_TYPE_H

#include <zerocore/base.h>

#ifdef __cplusplus
#include <type_traits>
#endif

ZC_BEGIN_DECLS

/*
 * What an element is: the numbers of ECMA-335 (partition II, 23.1.16), interpreted as
 * the comments say.
 */
typedef enum zc_element {
	ZC_TYPE_BOOL = 0x02,
	ZC_TYPE_CHAR = 0x03,	/* one byte of text */
	ZC_TYPE_I8 = 0x04,
	ZC_TYPE_U8 = 0x05,
	ZC_TYPE_I16 = 0x06,
	ZC_TYPE_U16 = 0x07,
	ZC_TYPE_I32 = 0x08,
	ZC_TYPE_U32 = 0x09,
	ZC_TYPE_I64 = 0x0a,
	ZC_TYPE_U64 = 0x0b,
	ZC_TYPE_F32 = 0x0c,
	ZC_TYPE_F64 = 0x0d,
	ZC_TYPE_STRING = 0x0e,	/* so many bytes of text, up to the first NUL */
	ZC_TYPE_STRUCT = 0x11,	/* VALUETYPE */
	ZC_TYPE_ARRAY = 0x14,	/* of a fixed number of elements */
	ZC_TYPE_ENUM = 0x55,
	ZC_TYPE_UNTYPED = 0x5c	/* so many bytes of anything */
} zc_element_t;

/* Limits of a description. */
#define ZC_TYPE_NAME_MAX 127U	/* characters of a name */
#define ZC_TYPE_DEPTH_MAX 16U	/* structs and arrays in each other */
#define ZC_TYPE_PARTS_MAX 64U	/* parts of a message that are described */
#define ZC_TYPE_TAGS_MAX 65536U	/* bytes of all tags of a message */

struct zc_type;

/**
 * struct zc_type_field - a field of a struct, as ZC_FIELD() and the like describe it
 * @name: of the field
 * @of: NULL, or gives the description of a struct or enum
 * @offset: in the struct, in bytes
 * @bytes: of one element
 * @count: elements of an array; 0: it is none
 * @inner: elements of each of these, where they are arrays themselves; 0: they are not
 * @element: zc_element_t of one element
 */
typedef struct zc_type_field {
	const char *name;
	const struct zc_type *(*of)(void);
	uint32_t offset;
	uint32_t bytes;
	uint32_t count;
	uint32_t inner;
	uint32_t element;
} zc_type_field_t;

/* A value of an enum that has a name. */
typedef struct zc_type_value {
	const char *name;
	int64_t value;
} zc_type_value_t;

/**
 * struct zc_type - a description, made by ZC_TYPE() or ZC_ENUM(), or by zc_type_basic()
 * @sz: sizeof(struct zc_type)
 * @name: of a struct or enum, the same in all programs
 * @fields: of a struct, by offset
 * @values: of an enum
 * @known: NULL, or where the library keeps the fingerprint; 0: not known yet
 * @element: zc_element_t
 * @bytes: size
 * @align: of a struct
 * @nr: how many fields or values
 * @underlying: of an enum, ZC_TYPE_I8 to ZC_TYPE_U64
 */
typedef struct zc_type {
	size_t sz;
	const char *name;
	const zc_type_field_t *fields;
	const zc_type_value_t *values;
	uint64_t *known;
	uint32_t element;
	uint32_t bytes;
	uint32_t align;
	uint32_t nr;
	uint32_t underlying;
} zc_type_t;

/**
 * zc_type_basic() - a type that needs no description
 * @element: ZC_TYPE_BOOL to ZC_TYPE_F64; ZC_TYPE_STRING and ZC_TYPE_UNTYPED, which are
 *	for parts of a message whose count says how many bytes they have
 * Threads: any. Return: static; NULL: another element.
 */
ZC_API const zc_type_t *zc_type_basic(zc_element_t element);

/**
 * zc_type_check() - is this a description?
 * @type: what roles and parts will be given
 *
 * The macros cannot see whether fields come in the order of their offsets, overlap, or
 * have the same name; and descriptions have limits.  Whoever is given a description
 * checks it, too.
 *
 * Threads: any. Return: ZC_OK; ZC_ERROR_INVALID, with a sentence.
 */
ZC_API zc_result_t zc_type_check(const zc_type_t *type);

/**
 * zc_type_fingerprint() - a number that two descriptions share when they are the same
 * @type: a sound description
 *
 * Made of the names, sizes, offsets and elements of all that it consists of.
 *
 * Threads: any. Return: never 0; 0: it is not sound.
 */
ZC_API uint64_t zc_type_fingerprint(const zc_type_t *type);

/**
 * zc_type_shape() - a description for people
 * @type: a sound description
 * @text: gets "struct imu { u64 stamp; f32 acc[3]; } (24 bytes)", cut where it is full
 * @bytes: of @text, at least 1
 * Threads: any. Return: characters that there are, as snprintf(); 0: it is not sound.
 */
ZC_API size_t zc_type_shape(const zc_type_t *type, char *text, size_t bytes);

/**
 * struct zc_type_part - a part of a message and what it is
 * @offset: where it begins, from the start of the payload, in bytes
 * @type: what it is, or each of its elements
 * @count: elements, 0: it is one and no array.  Of ZC_TYPE_STRING and ZC_TYPE_UNTYPED:
 *	bytes
 */
typedef struct zc_type_part {
	size_t offset;
	const zc_type_t *type;
	size_t count;
} zc_type_part_t;

/* What a walk comes to: see zc_reader_walk_block(). */
typedef enum zc_visit {
	ZC_VISIT_VALUE = 0,
	ZC_VISIT_STRUCT = 1,	/* its fields follow, then ZC_VISIT_END */
	ZC_VISIT_ARRAY = 2,	/* its elements follow, then ZC_VISIT_END */
	ZC_VISIT_END = 3
} zc_visit_t;

/**
 * struct zc_type_node - a value, or the beginning or end of a struct or array
 * @what: which of these
 * @element: what the value is, or each element of the array
 * @name: of the field; "": it is none
 * @type_name: of the struct or enum, or of what an array consists of, or ""
 * @value_name: of this value of an enum, or ""
 * @data: where it lies in the payload, not aligned: copy it.  Another process may write
 *	it meanwhile
 * @bytes: how many
 * @offset: from the start of the payload
 * @count: elements of the array, else 0
 * @depth: structs and arrays that it is in
 *
 * Names are printable ASCII.  Good until the visit returns.
 */
typedef struct zc_type_node {
	zc_visit_t what;
	zc_element_t element;
	const char *name;
	const char *type_name;
	const char *value_name;
	const void *data;
	size_t bytes;
	size_t offset;
	size_t count;
	uint32_t depth;
} zc_type_node_t;

/* Not 0: the walk ends here. */
typedef int (*zc_type_visit_t)(const zc_type_node_t *node, void *ctx);

/**
 * struct zc_block_type - what a message says that it is
 * @sz: sizeof(struct zc_block_type), set by the caller
 * @fingerprint: of what is at its beginning, zc_type_fingerprint(); 0: it is untyped
 * @parts: how many are described
 * @tags_bytes: of all its tags
 * @name: of what is at its beginning, or "" where that has no name
 */
typedef struct zc_block_type {
	size_t sz;
	uint64_t fingerprint;
	uint32_t parts;
	uint32_t tags_bytes;
	char name[ZC_TYPE_NAME_MAX + 1];
} zc_block_type_t;

/*
 * ZC_TYPE(struct NAME, FIELD, ...); - describe a struct, once, at file scope
 * ZC_ENUM(enum NAME, VALUE, ...);   - and an enum
 *
 * FIELD is, by offset, one of
 *
 *	ZC_FIELD(KIND, FIELD)		KIND: bool char i8 u8 i16 u16 i32 u32 i64 u64 f32 f64;
 *					the field may be an array of it.  string: char[N].
 *					untyped: anything
 *	ZC_MATRIX(KIND, FIELD)		an array of arrays
 *	ZC_STRINGS(FIELD)		char[N][M]: an array of strings
 *	ZC_NESTED(struct NAME, FIELD)	a struct or enum described before, or an array of it
 *
 * and VALUE is ZC_VALUE(ENUMERATOR), or ZC_VALUE_AS("NAME", ENUMERATOR).  Padding and
 * fields that are left out are not described.  The name is part of what must be the same.
 * For types without a tag, or in a C++ namespace: ZC_TYPE_AS(TYPE, NAME, FIELD, ...),
 * ZC_ENUM_AS(), ZC_NESTED_AS(TYPE, NAME, FIELD), ZC_TYPE_OF_NAME(NAME).
 */
#define ZC_TYPE(type, ...) ZC_TYPE_AS_(type, ZC_STRIP_##type, __VA_ARGS__)
#define ZC_ENUM(type, ...) ZC_ENUM_AS_(type, ZC_STRIP_##type, __VA_ARGS__)
#define ZC_NESTED(type, field) ZC_NESTED_AS_(type, ZC_STRIP_##type, field)
/* The description of a struct or enum. */
#define ZC_TYPE_OF(type) ZC_TYPE_OF_NAME_(ZC_STRIP_##type)
#define ZC_TYPE_OF_NAME(name) zc_type_of_##name()

#define ZC_STRIP_struct
#define ZC_STRIP_class
#define ZC_STRIP_enum
#define ZC_STRIP_union
#define ZC_TYPE_AS_(type, name, ...) ZC_TYPE_AS(type, name, __VA_ARGS__)
#define ZC_ENUM_AS_(type, name, ...) ZC_ENUM_AS(type, name, __VA_ARGS__)
#define ZC_NESTED_AS_(type, name, field) ZC_NESTED_AS(type, name, field)
#define ZC_TYPE_OF_NAME_(name) ZC_TYPE_OF_NAME(name)

#define ZC_TYPE_FUNCTION_(name)                                                \
	static inline __attribute__((unused)) const zc_type_t                  \
		*zc_type_of_##name(void)

#define ZC_TYPE_AS(type, name, ...)                                            \
	ZC_TYPE_FUNCTION_(name)                                                \
	{                                                                      \
		typedef type zc_self;                                          \
		static const zc_type_field_t zc_fields[] = { __VA_ARGS__ };    \
		static uint64_t zc_known;                                      \
		static const zc_type_t zc_this = {                             \
			sizeof(zc_type_t), #name, zc_fields, NULL, &zc_known,  \
			ZC_TYPE_STRUCT, sizeof(zc_self), ZC_ALIGN_OF_SELF_,    \
			sizeof(zc_fields) / sizeof(zc_fields[0]), 0            \
		};                                                             \
		return &zc_this;                                               \
	}                                                                      \
	ZC_SEMICOLON_

#define ZC_ENUM_AS(type, name, ...)                                            \
	ZC_TYPE_FUNCTION_(name)                                                \
	{                                                                      \
		typedef type zc_self;                                          \
		static const zc_type_value_t zc_values[] = { __VA_ARGS__ };    \
		static uint64_t zc_known;                                      \
		static const zc_type_t zc_this = {                             \
			sizeof(zc_type_t), #name, NULL, zc_values, &zc_known,  \
			ZC_TYPE_ENUM, sizeof(zc_self), sizeof(zc_self),        \
			sizeof(zc_values) / sizeof(zc_values[0]),              \
			ZC_INTEGER_(sizeof(zc_self), ZC_SELF_IS_SIGNED_)       \
		};                                                             \
		return &zc_this;                                               \
	}                                                                      \
	ZC_SEMICOLON_

#define ZC_VALUE(value) ZC_VALUE_AS(#value, value)

/* The numbers of signed integers by size; those of unsigned ones are one more. */
#define ZC_INTEGER_(bytes, is_signed)                                          \
	(((bytes) == 1 ? 0x04 : (bytes) == 2 ? 0x06 : (bytes) == 4 ? 0x08 :    \
	  0x0a) + !(is_signed))

#define ZC_KIND_bool ZC_TYPE_BOOL
#define ZC_KIND_char ZC_TYPE_CHAR
#define ZC_KIND_i8 ZC_TYPE_I8
#define ZC_KIND_u8 ZC_TYPE_U8
#define ZC_KIND_i16 ZC_TYPE_I16
#define ZC_KIND_u16 ZC_TYPE_U16
#define ZC_KIND_i32 ZC_TYPE_I32
#define ZC_KIND_u32 ZC_TYPE_U32
#define ZC_KIND_i64 ZC_TYPE_I64
#define ZC_KIND_u64 ZC_TYPE_U64
#define ZC_KIND_f32 ZC_TYPE_F32
#define ZC_KIND_f64 ZC_TYPE_F64
#define ZC_KIND_string ZC_TYPE_STRING
#define ZC_KIND_untyped ZC_TYPE_UNTYPED

#ifndef __cplusplus
/* --- C: is the field's type one that the kind allows? ------------------------------ */

#define ZC_SEMICOLON_ _Static_assert(1, "")
#define ZC_ALIGN_OF_SELF_ _Alignof(zc_self)
#define ZC_SELF_IS_SIGNED_ ((zc_self)-1 < (zc_self)1)
#define ZC_VALUE_AS(name, value) { name, value }

/* F(x, type) is one of these: one, one or an array, an array of arrays. */
#define ZC_ONE_(x, type) __builtin_types_compatible_p(__typeof__(x), type)
#define ZC_SOME_(x, type)                                                      \
	(ZC_ONE_(x, type) || __builtin_types_compatible_p(__typeof__(x), type[]))
#define ZC_ROWS_(x, type)                                                      \
	__builtin_types_compatible_p(__typeof__(x),                            \
				     type[][sizeof((x)[0]) / sizeof(type)])

#define ZC_FITS_bool(x, F) F(x, _Bool)
#define ZC_FITS_char(x, F) F(x, char)
#define ZC_FITS_i8(x, F) F(x, signed char)
#define ZC_FITS_u8(x, F) F(x, unsigned char)
#define ZC_FITS_i16(x, F) F(x, short)
#define ZC_FITS_u16(x, F) F(x, unsigned short)
#define ZC_FITS_i32(x, F) (F(x, int) || (sizeof(long) == 4 && F(x, long)))
#define ZC_FITS_u32(x, F)                                                      \
	(F(x, unsigned int) || (sizeof(long) == 4 && F(x, unsigned long)))
#define ZC_FITS_i64(x, F) (F(x, long long) || (sizeof(long) == 8 && F(x, long)))
#define ZC_FITS_u64(x, F)                                                      \
	(F(x, unsigned long long) || (sizeof(long) == 8 && F(x, unsigned long)))
#define ZC_FITS_f32(x, F) F(x, float)
#define ZC_FITS_f64(x, F) F(x, double)
#define ZC_FITS_string(x, F) __builtin_types_compatible_p(__typeof__(x), char[])
#define ZC_FITS_untyped(x, F) 1

#define ZC_BYTES_bool(x) sizeof(_Bool)
#define ZC_BYTES_char(x) 1
#define ZC_BYTES_i8(x) 1
#define ZC_BYTES_u8(x) 1
#define ZC_BYTES_i16(x) 2
#define ZC_BYTES_u16(x) 2
#define ZC_BYTES_i32(x) 4
#define ZC_BYTES_u32(x) 4
#define ZC_BYTES_i64(x) 8
#define ZC_BYTES_u64(x) 8
#define ZC_BYTES_f32(x) 4
#define ZC_BYTES_f64(x) 8
#define ZC_BYTES_string(x) sizeof(x)
#define ZC_BYTES_untyped(x) sizeof(x)

#define ZC_FIELD_OF_SELF_(field) (((zc_self *)0)->field)
/* 0, if @holds. */
#define ZC_ASSERT_(holds, says)                                                \
	(0 * sizeof(struct { _Static_assert(holds, says); char zc_holds; }))

#define ZC_FIELD(kind, field)                                                  \
	{                                                                      \
		#field, NULL,                                                  \
		offsetof(zc_self, field) +                                     \
			ZC_ASSERT_(ZC_FITS_##kind(ZC_FIELD_OF_SELF_(field),    \
						  ZC_SOME_),                   \
				   "field " #field " is no " #kind),           \
		ZC_BYTES_##kind(ZC_FIELD_OF_SELF_(field)),                     \
		ZC_KIND_##kind == ZC_TYPE_STRING ||                            \
				ZC_FITS_##kind(ZC_FIELD_OF_SELF_(field),       \
					       ZC_ONE_) ? 0 :                  \
			sizeof(ZC_FIELD_OF_SELF_(field)) /                     \
			ZC_BYTES_##kind(ZC_FIELD_OF_SELF_(field)),             \
		0, ZC_KIND_##kind                                              \
	}

#define ZC_MATRIX(kind, field)                                                 \
	{                                                                      \
		#field, NULL,                                                  \
		offsetof(zc_self, field) +                                     \
			ZC_ASSERT_(ZC_FITS_##kind(ZC_FIELD_OF_SELF_(field),    \
						  ZC_ROWS_),                   \
				   "field " #field " is no matrix of " #kind), \
		ZC_BYTES_##kind(ZC_FIELD_OF_SELF_(field)[0][0]),               \
		sizeof(ZC_FIELD_OF_SELF_(field)) /                             \
			sizeof(ZC_FIELD_OF_SELF_(field)[0]),                   \
		sizeof(ZC_FIELD_OF_SELF_(field)[0]) /                          \
			sizeof(ZC_FIELD_OF_SELF_(field)[0][0]),                \
		ZC_KIND_##kind                                                 \
	}

#define ZC_STRINGS(field)                                                      \
	{                                                                      \
		#field, NULL,                                                  \
		offsetof(zc_self, field) +                                     \
			ZC_ASSERT_(ZC_ROWS_(ZC_FIELD_OF_SELF_(field), char),   \
				   "field " #field " is no array of strings"), \
		sizeof(ZC_FIELD_OF_SELF_(field)[0]),                           \
		sizeof(ZC_FIELD_OF_SELF_(field)) /                             \
			sizeof(ZC_FIELD_OF_SELF_(field)[0]),                   \
		0, ZC_TYPE_STRING                                              \
	}

#define ZC_NESTED_AS(type, name, field)                                        \
	{                                                                      \
		#field, zc_type_of_##name,                                     \
		offsetof(zc_self, field) +                                     \
			ZC_ASSERT_(ZC_SOME_(ZC_FIELD_OF_SELF_(field), type),   \
				   "field " #field " is no " #type),           \
		sizeof(type),                                                  \
		ZC_ONE_(ZC_FIELD_OF_SELF_(field), type) ? 0 :                  \
			sizeof(ZC_FIELD_OF_SELF_(field)) / sizeof(type),       \
		0, 0                                                           \
	}
#endif /* !__cplusplus */

ZC_END_DECLS

#ifdef __cplusplus
/* --- C++: the same ------------------------------------------------------------------ */
extern "C++" {
namespace zc_types
{
/* One, an array, an array of arrays. */
template <class T> struct shape {
	typedef typename std::remove_cv<T>::type element;
	static const uint32_t count = 0, inner = 0;
};
template <class T, size_t N> struct shape<T[N]> {
	typedef typename std::remove_cv<T>::type element;
	static const uint32_t count = N, inner = 0;
};
template <class T, size_t N, size_t M> struct shape<T[N][M]> {
	typedef typename std::remove_cv<T>::type element;
	static const uint32_t count = N, inner = M;
};

template <uint32_t Element, class T> struct fits {
	static const bool holds = false;
};
#define ZC_FITS_(element, type, when)                                          \
	template <> struct fits<element, type> {                               \
		static const bool holds = when;                                \
	};
ZC_FITS_(ZC_TYPE_BOOL, bool, sizeof(bool) == 1)
ZC_FITS_(ZC_TYPE_CHAR, char, true)
ZC_FITS_(ZC_TYPE_I8, signed char, true)
ZC_FITS_(ZC_TYPE_U8, unsigned char, true)
ZC_FITS_(ZC_TYPE_I16, short, true)
ZC_FITS_(ZC_TYPE_U16, unsigned short, true)
ZC_FITS_(ZC_TYPE_I32, int, true)
ZC_FITS_(ZC_TYPE_U32, unsigned int, true)
ZC_FITS_(ZC_TYPE_I32, long, sizeof(long) == 4)
ZC_FITS_(ZC_TYPE_U32, unsigned long, sizeof(long) == 4)
ZC_FITS_(ZC_TYPE_I64, long, sizeof(long) == 8)
ZC_FITS_(ZC_TYPE_U64, unsigned long, sizeof(long) == 8)
ZC_FITS_(ZC_TYPE_I64, long long, true)
ZC_FITS_(ZC_TYPE_U64, unsigned long long, true)
ZC_FITS_(ZC_TYPE_F32, float, true)
ZC_FITS_(ZC_TYPE_F64, double, true)
#undef ZC_FITS_

template <uint32_t Element, class T> struct field {
	typedef shape<T> is;
	static_assert(fits<Element, typename is::element>::holds,
		      "the field has another type than ZC_FIELD() says");
	static const uint32_t bytes = sizeof(typename is::element);
	static const uint32_t count = is::count, inner = is::inner;
};
template <size_t N> struct field<ZC_TYPE_STRING, char[N]> {
	static const uint32_t bytes = N, count = 0, inner = 0;
};
template <size_t N, size_t M> struct field<ZC_TYPE_STRING, char[N][M]> {
	static const uint32_t bytes = M, count = N, inner = 0;
};
template <class T> struct field<ZC_TYPE_UNTYPED, T> {
	static const uint32_t bytes = sizeof(T), count = 0, inner = 0;
};

template <class Type, class T> struct nested {
	typedef shape<T> is;
	static_assert(std::is_same<Type, typename is::element>::value,
		      "the field has another type than ZC_NESTED() says");
	static const uint32_t bytes = sizeof(Type);
	static const uint32_t count = is::count, inner = is::inner;
};

template <class T> struct self {
	static_assert(std::is_standard_layout<T>::value,
		      "a struct for messages has standard layout");
	static_assert(std::is_trivially_copyable<T>::value,
		      "a struct for messages is copied as bytes");
	static const uint32_t align = alignof(T);
};
} /* namespace zc_types */
}

#define ZC_SEMICOLON_ static_assert(true, "")
#define ZC_ALIGN_OF_SELF_ zc_types::self<zc_self>::align
#define ZC_SELF_IS_SIGNED_                                                     \
	std::is_signed<std::underlying_type<zc_self>::type>::value
#define ZC_VALUE_AS(name, value) { name, static_cast<int64_t>(value) }
#define ZC_MADE_(f, of, kind, ...)                                             \
	{                                                                      \
		#f, of, offsetof(zc_self, f), __VA_ARGS__::bytes,              \
			__VA_ARGS__::count, __VA_ARGS__::inner, kind           \
	}
#define ZC_FIELD(kind, f)                                                      \
	ZC_MADE_(f, nullptr, ZC_KIND_##kind,                                   \
		 zc_types::field<ZC_KIND_##kind, decltype(zc_self::f)>)
#define ZC_MATRIX(kind, f) ZC_FIELD(kind, f)
#define ZC_STRINGS(f) ZC_FIELD(string, f)
#define ZC_NESTED_AS(type, name, f)                                            \
	ZC_MADE_(f, zc_type_of_##name, 0,                                      \
		 zc_types::nested<type, decltype(zc_self::f)>)
#endif /* __cplusplus */

#endif /* ZEROCORE_TYPE_H */
