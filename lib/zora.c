// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * zora.c - checked access to blocks, by the thread that a role is bound to.
 *
 * A table of bound roles, as the reference has it: an id is where in the table, and the
 * number of the binding.  A thread is known by its thread pointer, which needs no
 * thread-local variable: of those a process that loads many libraries has only so many.
 * When a thread ends, so do its ids, before another can get that place.  A forked child
 * finds the table empty.
 *
 * Nobody's code runs under the lock: not even what is to log a refusal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend.h"
#include "role_mail.h"
#include "zora.h"

#define ZORA_ROLES 4096U

/* A line. */
struct zora_entry {
	u64 id;			/* 0: nobody's */
	uintptr_t thread;	/* 0: no thread's; ZORA_EVICTED is set: nor its any more */
	/* Of the role, as long as the id is good. */
	const struct zc_seal *seal;
	void *places;
	u32 nr;
	bool writes;
	pid_t tid;		/* that thread, to see whether it is still there */
	struct zc_pool *pool;
	u64 *bound;		/* where the role has its id */
};

/* An id: number of the binding, and the offset of its entry. */
#define ZORA_NUMBER_SHIFT 18
#define ZORA_BYTES (ZORA_ROLES * sizeof(struct zora_entry))
#define ZORA_OFFSET_MASK (ZORA_BYTES - sizeof(struct zora_entry))
_Static_assert(sizeof(struct zora_entry) == 64 && ZORA_BYTES == 1 << ZORA_NUMBER_SHIFT,
	       "an id leads to an entry, whatever its bits are");

/* A bit that no thread pointer has. */
#define ZORA_EVICTED 1U
/* Bindings that no process makes while it forks. */
#define ZORA_FORK_NUMBERS (1U << 20)

static const struct zora_entry zora_nothing[ZORA_ROLES];

/* In one page, so that a forked child has all of it as it was at one time. */
static struct {
	struct zora_entry *table;
	pthread_mutex_t lock;
	u64 bindings;		/* (under @lock) ever */
	u32 used;		/* (under @lock) entries that ever were somebody's */
	pthread_key_t key;	/* a thread that had ids: ZORA_THREAD_* */
	u32 unloaded;		/* the key is gone */
} zora __attribute__((aligned(64))) = {
	.table = (struct zora_entry *)(uintptr_t)zora_nothing,
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

/* What a thread has under the key. */
static char zora_thread_bound, zora_thread_ending;

static _Thread_local zc_result_t zora_last;

static inline struct zora_entry *zora_entry_of(zora_id_t id)
{
	return (void *)((char *)zc_load_acquire(&zora.table) +
			(id & ZORA_OFFSET_MASK));
}

/* --- binding ------------------------------------------------------------------------- */

/* (under the lock) */
static void zora_end(struct zora_entry *e)
{
	*e->bound = 0;
	zc_store_relaxed(&e->thread, 0);
	zc_store_release(&e->id, 0);
}

/* (under the lock) The ids of a thread that is ending, or ended. */
static void zora_thread_over(uintptr_t thread)
{
	struct zora_entry *e = zora.table;

	for (; e < zora.table + zora.used; e++)
		if (e->id && (e->thread & ~(uintptr_t)ZORA_EVICTED) == thread)
			zora_end(e);
}

/*
 * From here on this thread binds nothing, whatever other destructors do, and in
 * whatever round: what they bound after the last would never end.
 */
static __attribute__((noinline)) void zora_thread_end(void)
{
	pthread_mutex_lock(&zora.lock);
	zora_thread_over(zc_thread_self());
	pthread_mutex_unlock(&zora.lock);
}

/* ThreadSanitizer has forgotten the thread before the last round. */
#ifdef ZC_TSAN
__attribute__((disable_sanitizer_instrumentation))
#endif
static void zora_thread_ends(void *state)
{
	/* In a child that has not started over the table is empty, and the lock may be
	 * that of a thread which is not there. */
	if (!zc_load_relaxed(zc_load_acquire(&zc_not_forked)))
		return;
	pthread_setspecific(zora.key, &zora_thread_ending);
	if (state != &zora_thread_ending)
		zora_thread_end();
}

/*
 * Threads go on when the library is unloaded, and while the process exits: the table
 * stays.  No lock: a forked child exits, too.
 */
static __attribute__((destructor)) void zora_unload(void)
{
	if (zc_load_acquire(&zora.table) == zora_nothing)
		return;
	zc_store_release(&zora.unloaded, 1);
	pthread_key_delete(zora.key);
}

void zora_after_fork(void)
{
	pthread_mutex_init(&zora.lock, NULL);
	/* No number that the parent gave away meanwhile. */
	zora.bindings += ZORA_FORK_NUMBERS;
}

/* What can go wrong under the lock, said when it is no longer held. */
enum zora_lack {
	ZORA_BOUND, ZORA_NO_TABLE, ZORA_NO_GUARD, ZORA_NO_KEY, ZORA_NO_ROOM, ZORA_TAKEN,
	ZORA_ENDING, ZORA_UNLOADED, ZORA_CLOSED
};

/* (under the lock) */
static enum zora_lack zora_begin(void)
{
	void *table;

	if (zora.table != zora_nothing)
		return ZORA_BOUND;
	table = mmap(NULL, ZORA_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED)
		return ZORA_NO_TABLE;
	if (madvise(table, ZORA_BYTES, MADV_WIPEONFORK)) {
		munmap(table, ZORA_BYTES);
		return ZORA_NO_GUARD;
	}
	if (pthread_key_create(&zora.key, zora_thread_ends)) {
		munmap(table, ZORA_BYTES);
		return ZORA_NO_KEY;
	}
	zc_store_release(&zora.table, table);
	return ZORA_BOUND;
}

/*
 * (under the lock) A thread that bound its first role after our destructor had its last
 * turn went without a word: its ids end when somebody wants what they stand for.
 */
static struct zora_entry *zora_room(u64 bound)
{
	struct zora_entry *e, *last = zora.table + zora.used;

	if (bound && !zc_thread_there(zora_entry_of(bound)->tid))
		zora_end(zora_entry_of(bound));
	for (e = zora.table; e < last; e++)
		if (!e->id)
			return e;
	if (zora.used < ZORA_ROLES)
		return zora.table + zora.used++;
	for (e = zora.table; e < last; e++)
		if (!zc_thread_there(e->tid)) {
			zora_end(e);
			return e;
		}
	return NULL;
}

/* (under the lock) */
static enum zora_lack zora_thread_begin(void)
{
	const char *state = pthread_getspecific(zora.key);

	if (state)
		return state == &zora_thread_ending ? ZORA_ENDING : ZORA_BOUND;
	/* Whose thread pointer this was. */
	zora_thread_over(zc_thread_self());
	return pthread_setspecific(zora.key, &zora_thread_bound) ? ZORA_NO_KEY : ZORA_BOUND;
}

/* (under the lock) */
static enum zora_lack zora_bind_locked(const struct zora_entry *role, const u32 *closed,
				       zora_id_t *out_id)
{
	enum zora_lack lack = zora_begin();
	struct zora_entry *e;

	if (lack == ZORA_BOUND && zc_load_acquire(&zora.unloaded))
		lack = ZORA_UNLOADED;
	if (lack == ZORA_BOUND)
		lack = zora_thread_begin();
	if (lack != ZORA_BOUND)
		return lack;
	/* Whoever closes or evicts it looks here afterwards. */
	if (zc_load_acquire(closed))
		return ZORA_CLOSED;
	e = zora_room(*role->bound);
	if (*role->bound)
		return ZORA_TAKEN;
	if (!e)
		return ZORA_NO_ROOM;
	e->seal = role->seal;
	e->places = role->places;
	e->nr = role->nr;
	e->writes = role->writes;
	e->tid = (pid_t)syscall(SYS_gettid);
	e->pool = role->pool;
	e->bound = role->bound;
	zc_store_relaxed(&e->thread, zc_thread_self());
	zc_store_relaxed(&zora.bindings, zora.bindings + 1);
	*out_id = zora.bindings << ZORA_NUMBER_SHIFT |
		  (u64)((char *)e - (char *)zora.table);
	*role->bound = *out_id;
	zc_store_release(&e->id, *out_id);
	return ZORA_BOUND;
}

static zc_result_t zora_bind(const struct zora_entry *role, const u32 *alive,
			     const u32 *closed, zora_id_t *out_id)
{
	enum zora_lack lack;
	int error;

	if (!zc_role_usable(alive, closed))
		return zc_role_fail(role->pool, alive);
	pthread_mutex_lock(&zora.lock);
	lack = zora_bind_locked(role, closed, out_id);
	error = errno;
	pthread_mutex_unlock(&zora.lock);
	errno = error;
	switch (lack) {
	case ZORA_BOUND:
		return ZC_OK;
	case ZORA_NO_TABLE:
		return zc_fail_errno("cannot map the table of bound roles");
	case ZORA_NO_GUARD:
		return zc_fail_errno("cannot keep the table of bound roles from forked children");
	case ZORA_NO_KEY:
		return zc_fail(ZC_ERROR_NO_MEMORY,
			       "this process has no thread-specific key left, or no memory for one");
	case ZORA_NO_ROOM:
		return zc_fail(ZC_ERROR_SLOTS, "%u roles of this process are bound to "
			       "threads, which is all there can be", ZORA_ROLES);
	case ZORA_TAKEN:
		return zc_fail(ZC_ERROR_BUSY,
			       "this role is bound to a thread already: unregister it there");
	case ZORA_ENDING:
		return zc_fail(ZC_ERROR_THREAD,
			       "this thread is ending, and its ids have ended: register the role in another");
	case ZORA_UNLOADED:
		return zc_fail(ZC_ERROR_CLOSED, "this process is ending");
	case ZORA_CLOSED:
		break;
	}
	return zc_role_fail(role->pool, alive);
}

void zora_forget(u64 *bound, const u32 *alive)
{
	/* In a forked child the table is empty, and the lock may be anybody's. */
	if (!*alive)
		return;
	pthread_mutex_lock(&zora.lock);
	if (*bound)
		zora_end(zora_entry_of(*bound));
	pthread_mutex_unlock(&zora.lock);
}

void zora_evict(u64 *bound)
{
	struct zora_entry *e;

	pthread_mutex_lock(&zora.lock);
	if (*bound) {
		e = zora_entry_of(*bound);
		zc_store_release(&e->thread, e->thread | ZORA_EVICTED);
	}
	pthread_mutex_unlock(&zora.lock);
}

zc_result_t zora_register_writer(zc_writer_t *w, zora_id_t *out_id)
{
	if (!w || !out_id)
		return zc_fail(ZC_ERROR_INVALID, "writer or output is NULL");
	return zora_bind(&(struct zora_entry){ .seal = &w->seal,
					       .places = w->claims,
					       .nr = w->claims_nr,
					       .writes = true,
					       .pool = w->pool,
					       .bound = &w->zora },
			 w->alive, &w->closed, out_id);
}

zc_result_t zora_register_reader(zc_reader_t *r, zora_id_t *out_id)
{
	if (!r || !out_id)
		return zc_fail(ZC_ERROR_INVALID, "reader or output is NULL");
	return zora_bind(&(struct zora_entry){ .seal = &r->seal,
					       .places = r->held,
					       .nr = r->held_nr,
					       .pool = r->pool,
					       .bound = &r->zora },
			 r->alive, &r->closed, out_id);
}

/* --- access --------------------------------------------------------------------------- */

static inline const struct zora_entry *zora_mine(zora_id_t id)
{
	const struct zora_entry *e = zora_entry_of(id);

	/* What is nobody's is no thread's either: then 0 is no id. */
	return zc_likely(zc_load_acquire(&e->id) == id &&
			 zc_load_relaxed(&e->thread) == zc_thread_self()) ? e : NULL;
}

static ZC_SLOW zc_result_t zora_no_id(zora_id_t id)
{
	const struct zora_entry *e = zora_entry_of(id);
	uintptr_t thread = zc_load_relaxed(&e->thread);

	if (id && zc_load_acquire(&e->id) == id && thread)
		zora_last = thread & ZORA_EVICTED ?
			zc_fail(ZC_ERROR_EVICTED,
				"the peers took this process for dead and reaped it: close the pool and open it anew") :
			zc_fail(ZC_ERROR_THREAD,
				"this role is bound to another thread: register it here after that has unregistered it");
	else if (id >> ZORA_NUMBER_SHIFT && !(id % sizeof(*e)) &&
		 id >> ZORA_NUMBER_SHIFT <= zc_load_relaxed(&zora.bindings))
		zora_last = zc_fail(ZC_ERROR_CLOSED,
				    "this id ended with its role or thread, or is another process's");
	else
		zora_last = zc_fail(ZC_ERROR_FORGED_HANDLE,
				    "this is no id that a role of this process got");
	return zora_last;
}

static ZC_SLOW zc_result_t zora_no_handle(const struct zora_entry *e, zc_handle_t handle)
{
	zora_last = zc_handle_fail(e->pool, e->seal, handle, e->places, e->nr);
	return zora_last;
}

static ZC_SLOW zc_result_t zora_no_range(u64 size, size_t offset, size_t bytes)
{
	zora_last = zc_fail(ZC_ERROR_SIZE,
			    "%zu bytes at %zu are not within a block of %llu", bytes,
			    offset, (unsigned long long)size);
	return zora_last;
}

static ZC_SLOW zc_result_t zora_no_write(void)
{
	zora_last = zc_fail(ZC_ERROR_PERMISSION, "a reader's block can only be read");
	return zora_last;
}

struct zora_block {
	struct zc_pool *pool;
	char *data;
	u64 bytes;
	zc_result_t result;
};

static inline __attribute__((always_inline)) struct zora_block
zora_open(zora_id_t id, zc_handle_t handle, bool write)
{
	const struct zora_entry *e = zora_mine(id);
	const struct zc_place *p;

	if (zc_unlikely(!e))
		return (struct zora_block){ .result = zora_no_id(id) };
	p = zc_unseal_place(e->seal, handle, e->places, e->nr);
	if (zc_unlikely(!p))
		return (struct zora_block){ .result = zora_no_handle(e, handle) };
	if (write && zc_unlikely(!e->writes))
		return (struct zora_block){ .result = zora_no_write() };
	return (struct zora_block){
		.pool = e->pool, .data = p->data, .bytes = p->bytes
	};
}

static inline __attribute__((always_inline)) struct zora_block
zora_part(zora_id_t id, zc_handle_t handle, size_t offset, size_t bytes, bool write)
{
	struct zora_block b = zora_open(id, handle, write);

	if (zc_unlikely(b.result != ZC_OK))
		return b;
	if (zc_unlikely(offset > b.bytes || bytes > b.bytes - offset))
		return (struct zora_block){
			.result = zora_no_range(b.bytes, offset, bytes)
		};
	b.data += offset;
	return b;
}

const void *zora_data(zora_id_t id, zc_handle_t handle)
{
	return zora_open(id, handle, false).data;
}

void *zora_data_mut(zora_id_t id, zc_handle_t handle)
{
	return zora_open(id, handle, true).data;
}

zc_result_t zora_error(void)
{
	return zora_last;
}

zc_result_t zora_size(zora_id_t id, zc_handle_t handle, size_t *out_bytes)
{
	struct zora_block b;

	if (!out_bytes)
		return zc_fail(ZC_ERROR_INVALID, "output is NULL");
	b = zora_open(id, handle, false);
	if (b.result == ZC_OK)
		*out_bytes = b.bytes;
	return b.result;
}

const void *zora_slice(zora_id_t id, zc_handle_t handle, size_t offset, size_t bytes)
{
	return zora_part(id, handle, offset, bytes, false).data;
}

void *zora_slice_mut(zora_id_t id, zc_handle_t handle, size_t offset, size_t bytes)
{
	return zora_part(id, handle, offset, bytes, true).data;
}

zc_result_t zora_copy_out(zora_id_t id, zc_handle_t handle, size_t offset, void *to,
			  size_t bytes)
{
	struct zora_block b;

	if (!to && bytes)
		return zc_fail(ZC_ERROR_INVALID, "no place to copy to");
	b = zora_part(id, handle, offset, bytes, false);
	if (b.result == ZC_OK && bytes)
		memmove(to, b.data, bytes);
	return b.result;
}

zc_result_t zora_copy_in(zora_id_t id, zc_handle_t handle, size_t offset,
			 const void *from, size_t bytes)
{
	struct zora_block b;

	if (!from && bytes)
		return zc_fail(ZC_ERROR_INVALID, "nothing to copy from");
	b = zora_part(id, handle, offset, bytes, true);
	if (b.result == ZC_OK && bytes)
		memmove(b.data, from, bytes);
	return b.result;
}

zc_result_t zora_load_typed(zora_id_t id, zc_handle_t handle, const zc_type_t *type,
			    void *to)
{
	struct zora_block b;

	if (!type || !to)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL", type ? "to" : "type");
	b = zora_open(id, handle, false);
	if (b.result == ZC_OK)
		b.result = zc_block_is_of(b.pool, b.data, b.bytes, type);
	if (b.result == ZC_OK)
		memmove(to, b.data, type->bytes);
	return b.result;
}

zc_result_t zora_store_typed(zora_id_t id, zc_handle_t handle, const zc_type_t *type,
			     const void *from)
{
	struct zora_block b;

	if (!type || !from)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL", type ? "from" : "type");
	b = zora_open(id, handle, true);
	if (b.result == ZC_OK)
		b.result = zc_block_is_of(b.pool, b.data, b.bytes, type);
	if (b.result == ZC_OK)
		memmove(b.data, from, type->bytes);
	return b.result;
}

zc_result_t zora_unregister(zora_id_t id)
{
	struct zora_entry *e = zora_entry_of(id);
	bool mine;

	if (!id)
		return ZC_OK;
	/* As in zora_forget(): in a child that has not started over no id is good. */
	if (zc_load_acquire(&e->id) != id)
		return zora_no_id(id);
	/* Its role may be going just now, in another thread. */
	pthread_mutex_lock(&zora.lock);
	mine = e->id == id &&
	       (e->thread & ~(uintptr_t)ZORA_EVICTED) == zc_thread_self();
	if (mine)
		zora_end(e);
	pthread_mutex_unlock(&zora.lock);
	return mine ? ZC_OK : zora_no_id(id);
}

/* --- keys ------------------------------------------------------------------------------ */

void zora_ring_keys(const struct zc_view *v)
{
	u32 w, r;

	for (w = 0; w < ZC_MAX_WRITERS; w++) {
		struct zc_writer_mail *mail;

		/* Its region is there once it had a role. */
		if (!zc_load_acquire(&v->writer_slots[w].life) &&
		    !zc_mask_bits(zc_load_acquire(&v->writer_slots[w].active)))
			continue;
		mail = zc_writer_mail(v, w);
		zc_fetch_add32(&mail->bell, ZC_BELL_KEY);
		for (r = 0; r < ZC_MAX_READERS_PER; r++)
			if (zc_life_state(zc_load_acquire(
				    &zc_reader_slot(v, w, r)->life)) == ZC_LIFE_LIVE)
				zc_fetch_add32(&mail->reader_bell[r], ZC_BELL_KEY);
	}
}

zc_result_t zora_rotate_keys(zc_pool_t *pool)
{
	zc_result_t result;

	if (!pool)
		return zc_fail(ZC_ERROR_INVALID, "pool is NULL");
	result = zc_pool_usable(pool);
	if (result != ZC_OK)
		return result;
	if (!pool->may_write)
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s was opened without write permission",
			       pool->name);
	zora_ring_keys(&pool->view);
	return ZC_OK;
}
