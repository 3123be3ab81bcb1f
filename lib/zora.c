// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * zora.c - checked access to blocks, by the thread that a role is bound to.
 *
 * A table of bound roles, as the reference has it: an id is where in the table, and the
 * number of the binding.  A thread is known by where it has its own variables; when it
 * ends, so do its ids, before another thread can get that place.  A forked child finds
 * the table empty.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "backend.h"
#include "role_mail.h"
#include "zora.h"

#define ZORA_ROLES 4096U

/* A line. */
struct zora_entry {
	u64 id;			/* 0: nobody's */
	const char *thread;	/* NULL: no thread's */
	/* Of the role, as long as the id is good. */
	const struct zc_seal *seal;
	void *places;
	u32 nr;
	bool writes;
	struct zc_pool *pool;
	u64 *bound;		/* where the role has its id */
	const u32 *alive;
};

/* An id: number of the binding, and the offset of its entry. */
#define ZORA_NUMBER_SHIFT 18
#define ZORA_BYTES (ZORA_ROLES * sizeof(struct zora_entry))
#define ZORA_OFFSET_MASK (ZORA_BYTES - sizeof(struct zora_entry))
_Static_assert(sizeof(struct zora_entry) == 64 && ZORA_BYTES == 1 << ZORA_NUMBER_SHIFT,
	       "an id leads to an entry, whatever its bits are");

static const struct zora_entry zora_nothing[ZORA_ROLES];
static struct zora_entry *zora_table = (struct zora_entry *)(uintptr_t)zora_nothing;
static pthread_mutex_t zora_lock = PTHREAD_MUTEX_INITIALIZER;
static u64 zora_bindings;	/* (under @zora_lock) ever */
static pthread_key_t zora_key;	/* a thread that has ids */

/* Only its address is used. */
static __thread char zora_self __attribute__((tls_model("initial-exec")));
static __thread zc_result_t zora_last;

/* --- binding ------------------------------------------------------------------------- */

/* (under @zora_lock) */
static void zora_end(struct zora_entry *e)
{
	*e->bound = 0;
	zc_store_release(&e->id, 0);
	e->thread = NULL;
}

static void zora_thread_ends(void *self)
{
	u32 i;

	pthread_mutex_lock(&zora_lock);
	for (i = 0; i < ZORA_ROLES; i++)
		if (zora_table[i].id && zora_table[i].thread == self)
			zora_end(&zora_table[i]);
	pthread_mutex_unlock(&zora_lock);
}

/* Threads go on when the library is unloaded. */
static __attribute__((destructor)) void zora_unload(void)
{
	if (zora_table == zora_nothing)
		return;
	pthread_key_delete(zora_key);
	munmap(zora_table, ZORA_BYTES);
}

/* (under @zora_lock) */
static zc_result_t zora_begin(void)
{
	void *table;

	if (zora_table != zora_nothing)
		return ZC_OK;
	table = mmap(NULL, ZORA_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED)
		return zc_fail_errno("cannot map the table of bound roles");
	/* Pools need it, too: it is there. */
	madvise(table, ZORA_BYTES, MADV_WIPEONFORK);
	if (pthread_key_create(&zora_key, zora_thread_ends)) {
		munmap(table, ZORA_BYTES);
		return zc_fail(ZC_ERROR_NO_MEMORY, "this process has no thread-specific key left");
	}
	zc_store_release(&zora_table, table);
	return ZC_OK;
}

static zc_result_t zora_bind(struct zora_entry role, zora_id_t *out_id)
{
	zc_result_t result;
	u32 i = 0;

	role.thread = &zora_self;
	pthread_mutex_lock(&zora_lock);
	result = zora_begin();
	while (result == ZC_OK && i < ZORA_ROLES && zora_table[i].id)
		i++;
	if (result != ZC_OK)
		;
	else if (*role.bound)
		result = zc_fail(ZC_ERROR_BUSY,
				 "this role is bound to a thread already: unregister it there");
	else if (i == ZORA_ROLES)
		result = zc_fail(ZC_ERROR_SLOTS, "%u roles of this process are bound to "
				 "threads, which is all there can be", ZORA_ROLES);
	else if (pthread_setspecific(zora_key, &zora_self))
		result = zc_fail(ZC_ERROR_NO_MEMORY, "no memory to bind a role");
	if (result == ZC_OK) {
		u64 id = ++zora_bindings << ZORA_NUMBER_SHIFT |
			 i * sizeof(struct zora_entry);

		role.id = 0;
		zora_table[i] = role;
		zc_store_release(&zora_table[i].id, id);
		*role.bound = id;
		*out_id = id;
	}
	pthread_mutex_unlock(&zora_lock);
	return result;
}

static struct zora_entry *zora_entry_of(zora_id_t id)
{
	return (void *)((char *)zora_table + (id & ZORA_OFFSET_MASK));
}

void zora_forget(u64 *bound, const u32 *alive)
{
	/* In a forked child the table is empty, and the lock may be anybody's. */
	if (!*alive)
		return;
	pthread_mutex_lock(&zora_lock);
	if (*bound)
		zora_end(zora_entry_of(*bound));
	pthread_mutex_unlock(&zora_lock);
}

zc_result_t zora_register_writer(zc_writer_t *w, zora_id_t *out_id)
{
	if (!w || !out_id)
		return zc_fail(ZC_ERROR_INVALID, "writer or output is NULL");
	if (!zc_role_usable(w->alive, &w->closed))
		return zc_role_fail(w->pool, w->alive);
	return zora_bind((struct zora_entry){ .seal = &w->seal,
					      .places = w->claims,
					      .nr = w->claims_nr,
					      .writes = true,
					      .pool = w->pool,
					      .bound = &w->zora,
					      .alive = w->alive },
			 out_id);
}

zc_result_t zora_register_reader(zc_reader_t *r, zora_id_t *out_id)
{
	if (!r || !out_id)
		return zc_fail(ZC_ERROR_INVALID, "reader or output is NULL");
	if (!zc_role_usable(r->alive, &r->closed))
		return zc_role_fail(r->pool, r->alive);
	return zora_bind((struct zora_entry){ .seal = &r->seal,
					      .places = r->held,
					      .nr = r->held_nr,
					      .pool = r->pool,
					      .bound = &r->zora,
					      .alive = r->alive },
			 out_id);
}

/* --- access --------------------------------------------------------------------------- */

static inline const struct zora_entry *zora_mine(zora_id_t id)
{
	const struct zora_entry *e = zora_entry_of(id);

	/* What is nobody's is no thread's either: then 0 is no id. */
	return zc_likely(zc_load_acquire(&e->id) == id &&
			 zc_load_relaxed(&e->thread) == &zora_self) ? e : NULL;
}

static ZC_SLOW zc_result_t zora_no_id(zora_id_t id)
{
	if (id && zc_load_acquire(&zora_entry_of(id)->id) == id)
		zora_last = zc_fail(ZC_ERROR_THREAD,
				    "this role is bound to another thread: register it here after that has unregistered it");
	else
		zora_last = zc_fail(ZC_ERROR_CLOSED,
				    "there is no such id: it ended with its role or thread, or is another process's");
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
	return (struct zora_block){ .data = p->data, .bytes = p->bytes };
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
		memcpy(to, b.data, bytes);
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
		memcpy(b.data, from, bytes);
	return b.result;
}

zc_result_t zora_unregister(zora_id_t id)
{
	const struct zora_entry *e;

	if (!id)
		return ZC_OK;
	e = zora_mine(id);
	if (!e)
		return zora_no_id(id);
	zora_forget(e->bound, e->alive);
	return ZC_OK;
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
