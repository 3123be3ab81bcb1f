/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * soak.c - seats, and what is known of who sits there.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "soak.h"

struct soak_board *soak;

static __thread uint64_t soak_left;

void soak_sit(struct soak_seat *seat)
{
	uint64_t nr = (uint64_t)(seat - soak->seat);

	seat->lives++;
	seat->pid = (uint32_t)getpid();
	soak_left = soak->limit && nr < SOAK_WRITERS ? soak->limit : UINT64_MAX;
	t_srand(soak->seed + (nr << 40) + seat->lives);
	t_rand();
}

bool soak_step(struct soak_seat *seat, char what)
{
	uint64_t at = seat->steps;

	__atomic_store_n(&seat->step[at % STEPS], what, __ATOMIC_RELAXED);
	__atomic_store_n(&seat->steps, at + 1, __ATOMIC_RELEASE);
	if (soak_left)
		soak_left--;
	return soak_left && !soak_ends(&soak->end);
}

bool soak_ends(const uint32_t *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

void soak_count(uint64_t *counter, uint64_t by)
{
	__atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

uint64_t soak_load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void tell(uint32_t nr)
{
	struct soak_seat *seat = &soak->seat[nr];
	uint64_t at = soak_load(&seat->steps);
	char last[STEPS + 1] = { 0 };
	uint32_t n = 0;

	for (uint64_t i = at > STEPS ? at - STEPS : 0; i < at; i++)
		last[n++] = __atomic_load_n(&seat->step[i % STEPS], __ATOMIC_RELAXED);
	t_note("seat %u, process %u, life %u: %llu steps, last: %s", nr, seat->pid,
	       seat->lives, (unsigned long long)at, last);
}

void soak_report(void)
{
	uint32_t me = (uint32_t)getpid();
	bool mine = false;

	t_note("to see it again: ZC_SEED=%llu", (unsigned long long)soak->seed);
	for (uint32_t i = 0; i < SEATS_MAX; i++)
		mine |= soak->seat[i].pid == me;
	for (uint32_t i = 0; i < SEATS_MAX; i++)
		if (soak->seat[i].pid && (!mine || soak->seat[i].pid == me))
			tell(i);
}

void soak_topic(char name[40], uint32_t nr)
{
	snprintf(name, 40, "soak/topic/%u", nr);
}
