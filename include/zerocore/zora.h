/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * zora.h - checked access to blocks, by the thread that a role is bound to.
 *
 * A role is registered with the thread that uses it and gets an id.  Every accessor
 * checks that the id is this thread's, that the handle leads to a block which that role
 * holds just now, and that what is read or written lies within the block.  Whatever is
 * wrong with a handle has an error of its own:
 *
 *	ZC_ERROR_STALE_HANDLE		its block was committed, cancelled or released
 *	ZC_ERROR_REPLAYED_HANDLE	the same, and the role's key was changed since
 *	ZC_ERROR_FOREIGN_HANDLE		another role of this process has it, or had it
 *	ZC_ERROR_FORGED_HANDLE		nobody here ever got it
 *	ZC_ERROR_THREAD			the id is another thread's
 *	ZC_ERROR_CLOSED			the id ended, with its role or before
 *	ZC_ERROR_FORGED_HANDLE		nobody here ever got the id, either
 *	ZC_ERROR_EVICTED		the peers reaped this process: its blocks are others'
 *
 * This protects a program against its own mistakes: a handle that is used twice, given
 * to the wrong role, kept too long, added to, taken from a message.  It does not protect
 * against code that reads this process's memory, where the keys are: see
 * Documentation/zora.rst.  (Reference 1.4, section 2.)
 */
#ifndef ZEROCORE_ZORA_H
#define ZEROCORE_ZORA_H

#include <zerocore/pool.h>
#include <zerocore/reader.h>
#include <zerocore/writer.h>

ZC_BEGIN_DECLS

/* Keys of a role: one for each epoch that a handle can have. */
#define ZORA_EPOCHS 16U
#define ZORA_EPOCH_SHIFT 60

/*
 * zora_decode() - what a handle is under its role's keys: tag 40 | index 20.  All that the
 * library does to a handle before it looks what that place holds; here for those who
 * measure it: nobody but the library has the keys.
 */
static inline uint64_t zora_decode(const uint64_t key[ZORA_EPOCHS], zc_handle_t handle)
{
	return handle ^ key[handle >> ZORA_EPOCH_SHIFT];
}

/*
 * A role as the calling thread has it.  0 is none; an id is never used again: what was
 * somebody's opens nothing when its role is gone, whoever has its place then.
 */
typedef uint64_t zora_id_t;

/**
 * zora_register_writer() - bind a role to the calling thread
 * @writer: a role that is not bound
 * @out_id: for the accessors; ends with zora_unregister(), with the role, or with the
 *	thread
 *
 * In a forked child the id has ended, as the role has: the child opens the pool anew.
 *
 * Threads: the one that is to use the role. Context: may sleep.
 * Return: ZC_OK; ZC_ERROR_BUSY: it is bound already; ZC_ERROR_SLOTS: 4096 roles of this
 * process are; ZC_ERROR_THREAD: this thread is ending (destructors of thread-specific
 * data run), and its ids have ended; ZC_ERROR_NO_MEMORY; ZC_ERROR_INVALID;
 * ZC_ERROR_FORKED; ZC_ERROR_EVICTED; ZC_ERROR_CLOSED.
 */
ZC_API zc_result_t zora_register_writer(zc_writer_t *writer, zora_id_t *out_id);
/* The same for a reader, whose blocks can only be read. */
ZC_API zc_result_t zora_register_reader(zc_reader_t *reader, zora_id_t *out_id);

/**
 * zora_unregister() - the role may be bound to another thread now
 * @id: 0: nothing happens
 *
 * Threads: the one that it is bound to. Context: may sleep.
 * Return: ZC_OK; ZC_ERROR_THREAD; ZC_ERROR_CLOSED; ZC_ERROR_FORGED_HANDLE.
 */
ZC_API zc_result_t zora_unregister(zora_id_t id);

/**
 * zora_data() - where a block's payload is
 * @id: a role of this thread
 * @handle: a block that it holds
 *
 * Good until the handle ends.
 *
 * Threads: the one that the role is bound to, as for all below. Context: no system call;
 * who is refused may wait for a lock of the pool, to learn whose the handle is.
 * Return: NULL on failure: zora_error() says which.
 */
ZC_API const void *zora_data(zora_id_t id, zc_handle_t handle);
/* The same to be written; also NULL for a reader's block (ZC_ERROR_PERMISSION). */
ZC_API void *zora_data_mut(zora_id_t id, zc_handle_t handle);

/* zora_error() - why the last accessor of this thread that returned NULL did so. */
ZC_API zc_result_t zora_error(void);

/**
 * zora_size() - how many bytes a block has
 * @id: a role of this thread
 * @handle: a block that it holds
 * @out_bytes: payload
 * Return: ZC_OK, or what is wrong with id or handle.
 */
ZC_API zc_result_t zora_size(zora_id_t id, zc_handle_t handle, size_t *out_bytes);

/**
 * zora_slice() - a part of a block
 * @id: a role of this thread
 * @handle: a block that it holds
 * @offset: from the start of the payload, in bytes
 * @bytes: how many; 0 is a part, too
 * Return: NULL on failure, ZC_ERROR_SIZE: it is not within the block.
 */
ZC_API const void *zora_slice(zora_id_t id, zc_handle_t handle, size_t offset,
			      size_t bytes);
ZC_API void *zora_slice_mut(zora_id_t id, zc_handle_t handle, size_t offset,
			    size_t bytes);

/**
 * zora_copy_out() - copy a part of a block
 * @id: a role of this thread
 * @handle: a block that it holds
 * @offset: from the start of the payload
 * @to: where to
 * @bytes: how many: all of them, or none
 *
 * What is copied may overlap, as with memmove(): here and in zora_copy_in().
 *
 * Return: ZC_OK; ZC_ERROR_SIZE; or what is wrong with id or handle.
 */
ZC_API zc_result_t zora_copy_out(zora_id_t id, zc_handle_t handle, size_t offset,
				 void *to, size_t bytes);
/* The same into a block, for a writer. */
ZC_API zc_result_t zora_copy_in(zora_id_t id, zc_handle_t handle, size_t offset,
				const void *from, size_t bytes);

/*
 * One value, at any offset, as the machine has it in memory:
 *	zc_result_t zora_load_TYPE(id, handle, offset, TYPE *out)
 *	zc_result_t zora_store_TYPE(id, handle, offset, TYPE value)
 * TYPE: u8 u16 u32 u64 i8 i16 i32 i64 f32 f64.
 */
#define ZORA_ACCESSORS(name, type)                                             \
	static inline zc_result_t zora_load_##name(                            \
		zora_id_t id, zc_handle_t handle, size_t offset, type *out)    \
	{                                                                      \
		return zora_copy_out(id, handle, offset, out, sizeof(type));   \
	}                                                                      \
	static inline zc_result_t zora_store_##name(                           \
		zora_id_t id, zc_handle_t handle, size_t offset, type value)   \
	{                                                                      \
		return zora_copy_in(id, handle, offset, &value, sizeof(type)); \
	}

ZORA_ACCESSORS(u8, uint8_t)
ZORA_ACCESSORS(u16, uint16_t)
ZORA_ACCESSORS(u32, uint32_t)
ZORA_ACCESSORS(u64, uint64_t)
ZORA_ACCESSORS(i8, int8_t)
ZORA_ACCESSORS(i16, int16_t)
ZORA_ACCESSORS(i32, int32_t)
ZORA_ACCESSORS(i64, int64_t)
ZORA_ACCESSORS(f32, float)
ZORA_ACCESSORS(f64, double)

#undef ZORA_ACCESSORS

/**
 * zora_rotate_keys() - all roles of a pool take another key
 * @pool: the pool, which this process may write
 *
 * Each at its next acquire or poll, in whatever process it is. Handles that are held stay
 * good. A role that still has a handle under the oldest of its 15 keys keeps the newest
 * until that has ended. A role that does not look in between takes one key, however
 * often this is called, and none after each 256 times. A cleaner that leads does it each
 * 5 s, and when members come, go or die.
 *
 * Threads: any. Context: no system call.
 * Return: ZC_OK; ZC_ERROR_PERMISSION; ZC_ERROR_INVALID; ZC_ERROR_FORKED;
 * ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zora_rotate_keys(zc_pool_t *pool);

ZC_END_DECLS

#endif /* ZEROCORE_ZORA_H */
