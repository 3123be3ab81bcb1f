/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * typed.h - messages that say what they are.
 *
 * A writer with options.type puts type tags behind each payload when it acquires the
 * block; they are frozen when it commits it, and each reader can read them with the data.
 * With options.type_room it can describe each block for itself.  A reader with options.type and
 * a writer of the same service have the same type: of two that have not, the one that
 * comes later gets ZC_ERROR_TYPE.  Readers without a type take anything; a writer without
 * one is refused by readers that have one.
 *
 * Messages that an earlier writer of the service left may be of another type: the
 * functions here look at the message itself.  Tags come from whoever may write the pool;
 * they are checked, in a private copy, before anything in them is used.  (Reference 1.4,
 * sections 3 to 5.)
 */
#ifndef ZEROCORE_TYPED_H
#define ZEROCORE_TYPED_H

#include <zerocore/reader.h>
#include <zerocore/type.h>
#include <zerocore/writer.h>
#include <zerocore/zora.h>

ZC_BEGIN_DECLS

/**
 * zc_writer_describe_block() - say what is in a claimed block
 * @writer: the role; has options.type or options.type_room
 * @handle: of a claimed block
 * @parts: by offset, without overlap; the first is the writer's type at 0, if it has one
 * @nr: how many, at most ZC_TYPE_PARTS_MAX; 0: the block is untyped
 *
 * Replaces what the block said before. Its descriptions are copied.
 *
 * Threads: the role's. Context: allocates memory.
 * Return: ZC_OK; ZC_ERROR_SIZE: the parts are not within the block, or their tags have
 * no room; ZC_ERROR_TYPE: it is not the writer's type; ZC_ERROR_INVALID: a description is
 * unsound; what zc_writer_block_data() may say.
 */
ZC_API zc_result_t zc_writer_describe_block(zc_writer_t *writer, zc_handle_t handle,
					    const zc_type_part_t *parts, size_t nr);

/**
 * zc_writer_typed_data() - where to write, if the block is of that type
 * @writer: the role
 * @handle: of a claimed block
 * @type: what it is to begin with
 *
 * Threads: the role's. Context: no system call, where it is of that type.
 * Return: the payload, at least as large as @type; NULL: zc_last_error() says why.
 */
ZC_API void *zc_writer_typed_data(zc_writer_t *writer, zc_handle_t handle,
				  const zc_type_t *type);

/**
 * zc_reader_typed_data() - where to read, if the message is of that type
 * @reader: the role
 * @handle: of a held message
 * @type: what it is to begin with
 *
 * Threads: the role's. Context: no system call, where it is of that type.
 * Return: the payload, at least as large as @type; NULL: zc_last_error() says why.
 */
ZC_API const void *zc_reader_typed_data(zc_reader_t *reader, zc_handle_t handle,
					const zc_type_t *type);

/* The same with the C type: const struct imu *m = ZC_READER_DATA_AS(struct imu, r, h); */
#define ZC_READER_DATA_AS(type, reader, handle)                                \
	ZC_AS_(const type,                                                     \
	       zc_reader_typed_data(reader, handle, ZC_TYPE_OF(type)))
#define ZC_WRITER_DATA_AS(type, writer, handle)                                \
	ZC_AS_(type, zc_writer_typed_data(writer, handle, ZC_TYPE_OF(type)))
#ifdef __cplusplus
#define ZC_AS_(type, data) static_cast<type *>(data)
#else
#define ZC_AS_(type, data) ((type *)(data))
#endif

/**
 * zc_reader_block_type() - what a message says that it is
 * @reader: the role
 * @handle: of a held message
 * @out: .sz set by the caller
 *
 * Threads: the role's. Context: allocates memory.
 * Return: ZC_OK, also where it is untyped: .parts is 0; ZC_ERROR_CORRUPT_BLOCK: its tags
 * make no sense; ZC_ERROR_NO_MEMORY; what zc_reader_block_info() may say.
 */
ZC_API zc_result_t zc_reader_block_type(zc_reader_t *reader, zc_handle_t handle,
					zc_block_type_t *out);

/**
 * zc_reader_walk_block() - visit all that is described in a message
 * @reader: the role
 * @handle: of a held message
 * @visit: gets each value, in the order of their offsets; not 0: no more
 * @ctx: is given to it
 *
 * Where parts are more than one, each begins at depth 0.
 *
 * Threads: the role's. Context: allocates memory. Progress: visits as much as there are
 * bytes in the payload, times ZC_TYPE_DEPTH_MAX, at most.
 * Return: as zc_reader_block_type(); of an untyped message nothing is visited.
 */
ZC_API zc_result_t zc_reader_walk_block(zc_reader_t *reader, zc_handle_t handle,
					zc_type_visit_t visit, void *ctx);

/**
 * zora_load_typed() - copy what a block begins with, if it is of that type
 * @id: a role of this thread
 * @handle: a block that it holds
 * @type: what it is to begin with
 * @to: as large as @type
 * Return: ZC_OK; ZC_ERROR_TYPE; or what is wrong with id or handle.
 */
ZC_API zc_result_t zora_load_typed(zora_id_t id, zc_handle_t handle,
				   const zc_type_t *type, void *to);
/* The same into a block, for a writer. */
ZC_API zc_result_t zora_store_typed(zora_id_t id, zc_handle_t handle,
				    const zc_type_t *type, const void *from);

ZC_END_DECLS

#endif /* ZEROCORE_TYPED_H */
