// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * type_role.c - a writer and its readers mean the same, or do not meet.
 *
 * Each says what it means in its own region, which the other can only read, and then
 * looks what the other said.  Whoever sees the other one, and means something else, is
 * refused: that is the later one; of two that come at the same time, one or both.
 *
 * What the other one said is compared and shown in a sentence; nothing else hangs on it.
 * A reader that may only read keeps no writer out by what it says: it is cut off itself.
 */
#include <string.h>

#include "backend.h"
#include "role.h"
#include "type.h"

static zc_result_t zc_type_own(const zc_type_t *type, struct zc_type_record *own)
{
	zc_result_t result = type ? zc_type_check(type) : ZC_OK;

	memset(own, 0, sizeof(*own));
	if (result != ZC_OK)
		return result;
	if (!type) {
		strcpy((char *)own->shape, "untyped bytes");
		return ZC_OK;
	}
	own->fingerprint = zc_type_fingerprint(type);
	own->bytes = type->bytes;
	if (!zc_type_shape(type, (char *)own->shape, sizeof(own->shape)))
		return zc_fail(ZC_ERROR_NO_MEMORY, "out of memory");
	return ZC_OK;
}

static void zc_type_say(struct zc_type_record *to, const struct zc_type_record *own,
			u32 incarnation)
{
	u64 *shape = (void *)to->shape, word;
	u32 i;

	/* [T1] Nobody's, while it changes; pairs with [T1] in zc_type_heard(). */
	zc_store_relaxed(&to->incarnation, 0);
	zc_fence_full();
	zc_store_relaxed(&to->fingerprint, own->fingerprint);
	zc_store_relaxed(&to->bytes, own->bytes);
	for (i = 0; i < sizeof(to->shape) / sizeof(word); i++) {
		memcpy(&word, &own->shape[i * sizeof(word)], sizeof(word));
		zc_store_relaxed(&shape[i], word);
	}
	/* [T1] what before whose. */
	zc_store_release(&to->incarnation, incarnation);
	/* [T2] mine before I look at the other's; pairs with itself. */
	zc_fence_full();
}

/* What a live role said; false: nothing yet. */
static bool zc_type_heard(const struct zc_type_record *from, u64 life,
			  struct zc_type_record *other)
{
	const u64 *shape = (const void *)from->shape;
	char *c = (char *)other->shape;
	u64 word;
	u32 i;

	/* [T1] whose before what, and still the same when all is copied. */
	if (zc_life_state(life) != ZC_LIFE_LIVE ||
	    zc_load_acquire(&from->incarnation) != zc_life_incarnation(life))
		return false;
	other->fingerprint = zc_load_relaxed(&from->fingerprint);
	for (i = 0; i < sizeof(other->shape) / sizeof(word); i++) {
		word = zc_load_relaxed(&shape[i]);
		memcpy(&other->shape[i * sizeof(word)], &word, sizeof(word));
	}
	zc_fence_full();
	if (zc_load_relaxed(&from->incarnation) != zc_life_incarnation(life))
		return false;
	other->shape[sizeof(other->shape) - 1] = '\0';
	/* It may be anything, and goes to a terminal. */
	for (; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return true;
}

/* Takes something else, and may not write: it must not keep the service's writer out. */
static void zc_type_cut(struct zc_writer *w, u32 r, u64 life)
{
	zc_store_release(&w->area->floor[r].cut_incarnation, zc_life_incarnation(life));
	/* If membarrier fails, so long ago: see zc_look(). */
	w->unfenced_since = zc_timestamp();
	w->stat_disconnected++;
	zc_event_emit(w->pool, ZC_EVENT_READER_DISCONNECTED, zc_life_member(life),
		      ZC_OWNER_WRITER(w->id), w->id, r, 0, 0);
}

zc_result_t zc_writer_type_join(struct zc_writer *w, const zc_type_t *type,
				const char *service)
{
	const struct zc_view *v = &w->pool->view;
	struct zc_type_record *said = zc_writer_type(v, w->id), own, other;
	zc_result_t result = zc_type_own(type, &own);
	u32 r;

	if (result != ZC_OK)
		return result;
	/* What has tags is reused without a look by those who never had any. */
	if (w->tags.on) {
		zc_store_relaxed(&said->tagged, 1);
	} else if (zc_load_relaxed(&said->tagged)) {
		w->tags.on = true;
		w->fast_bytes = 0;
	}
	zc_type_say(said, &own, w->incarnation);
	/* Who is not there yet will find what was said. */
	w->pool->backend->readers_map(w->pool, w->id);
	for (r = 0; r < ZC_MAX_READERS_PER; r++) {
		u64 life = zc_load_acquire(&zc_reader_slot(v, w->id, r)->life);

		if (!zc_type_heard(zc_reader_type(v, w->id, r), life, &other) ||
		    !other.fingerprint || other.fingerprint == own.fingerprint)
			continue;
		if (!(zc_load_relaxed(&zc_reader_slot(v, w->id, r)->caps) & ZC_CAP_WRITE)) {
			zc_type_cut(w, r, life);
			continue;
		}
		zc_store_release(&said->incarnation, 0);
		return zc_fail(ZC_ERROR_TYPE,
			       "service %s: this program writes %s, but reader %u, which is there already, takes %s: both must be built with the same description",
			       service, (char *)own.shape, r, (char *)other.shape);
	}
	return ZC_OK;
}

zc_result_t zc_reader_type_join(struct zc_reader *r, const zc_type_t *type,
				const char *service)
{
	const struct zc_view *v = &r->pool->view;
	struct zc_type_record own, other;
	zc_result_t result = zc_type_own(type, &own);
	u64 life;

	if (result != ZC_OK)
		return result;
	zc_type_say(zc_reader_type(v, r->writer, r->id), &own, r->incarnation);
	if (!type)
		return ZC_OK;
	life = zc_load_acquire(&v->writer_slots[r->writer].life);
	if (!zc_type_heard(zc_writer_type(v, r->writer), life, &other) ||
	    other.fingerprint == own.fingerprint)
		return ZC_OK;
	return zc_fail(ZC_ERROR_TYPE,
		       "service %s: this program takes %s, but its writer writes %s: both must be built with the same description",
		       service, (char *)own.shape, (char *)other.shape);
}

u64 zc_type_named(const struct zc_view *v, u32 w, u64 life, char *name, size_t bytes)
{
	struct zc_type_record said;
	const char *shape = (const char *)said.shape, *end;

	name[0] = '\0';
	if (!zc_type_heard(zc_writer_type(v, w), life, &said) || !said.fingerprint)
		return 0;
	/* struct imu { ... } (40 bytes), u64 */
	end = strpbrk(shape, "{(");
	if (!end)
		end = shape + strlen(shape);
	while (end > shape && end[-1] == ' ')
		end--;
	if ((size_t)(end - shape) >= bytes)
		end = shape + bytes - 1;
	memcpy(name, shape, (size_t)(end - shape));
	name[end - shape] = '\0';
	return said.fingerprint;
}
