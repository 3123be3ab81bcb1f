/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_iceoryx.c - iceoryx by its C binding: chunks are loaned, the publisher waits
 * for the slowest, who sleeps does so on a wait-set.
 */
#include "peer.h"

#ifdef PEER_ICEORYX

#include "loop.h"
#include "roudi.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <iceoryx_binding_c/enums.h>
#include <iceoryx_binding_c/log.h>
#include <iceoryx_binding_c/notification_info.h>
#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>
#include <iceoryx_binding_c/types.h>
#include <iceoryx_binding_c/wait_set.h>

struct end {
	iox_pub_t pub;
	iox_sub_t sub;
	iox_ws_t wait;		/* where the plan sleeps */
	iox_ws_t set;		/* of all readers of this process */
	size_t size;
	void *chunk;
	const void *got;
	iox_pub_storage_t pub_storage;
	iox_sub_storage_t sub_storage;
	iox_ws_storage_t wait_storage;
};

static void *reserve(void *end)
{
	struct end *e = end;

	if (iox_pub_loan_aligned_chunk(e->pub, &e->chunk, (uint32_t)e->size,
				       64) != AllocationResult_SUCCESS)
		return NULL;
	return e->chunk;
}

static void send(void *end)
{
	struct end *e = end;

	iox_pub_publish_chunk(e->pub, e->chunk);
}

static const void *receive(void *end, size_t *bytes)
{
	struct end *e = end;
	iox_notification_info_t info;
	uint64_t missed;

	*bytes = e->size;
	while (iox_sub_take_chunk(e->sub, &e->got) !=
	       ChunkReceiveResult_SUCCESS) {
		if (e->wait == NULL)
			return NULL;
		iox_ws_wait(e->wait, &info, 1, &missed);
	}
	return e->got;
}

static void release(void *end)
{
	struct end *e = end;

	iox_sub_release_chunk(e->sub, e->got);
}

static const struct peer_verbs verbs = { reserve, send, receive, release };

LOOPS_OF(verbs);

static void *prepare(const struct peer_plan *plan, char *why, size_t bytes)
{
	static char nothing;

	(void)plan;
	(void)why;
	(void)bytes;
	return &nothing;
}

static void drop(void *ctx)
{
	(void)ctx;
}

/* Once a process. */
static void runtime(const struct peer_plan *plan)
{
	static bool there;
	char name[64];

	if (there)
		return;
	there = true;
	roudi_join();
	iox_set_loglevel(Iceoryx_LogLevel_Off);
	snprintf(name, sizeof(name), "compare-%s-%d", plan->run, (int)getpid());
	iox_runtime_init(name);
}

static struct end *end_new(const struct peer_plan *plan)
{
	struct end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		worker_fail("no memory");
	runtime(plan);
	end->size = plan->size;
	return end;
}

static void *open_reader(void *ctx, const struct peer_plan *plan,
			 uint32_t channel, uint32_t reader)
{
	struct end *end = end_new(plan);
	iox_sub_options_t options;
	char instance[32];

	(void)ctx;
	(void)reader;
	snprintf(instance, sizeof(instance), "%u", channel);
	iox_sub_options_init(&options);
	options.queueCapacity = plan->size >= 1 << 20 ? 8 : 256;
	options.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
	end->sub = iox_sub_init(&end->sub_storage, plan->run, instance, "data",
				&options);
	if (!plan->block)
		return end;
	end->wait = iox_ws_init(&end->wait_storage);
	if (iox_ws_attach_subscriber_state(end->wait, end->sub,
					   SubscriberState_HAS_DATA, 0, NULL) !=
	    WaitSetResult_SUCCESS)
		worker_fail("the wait-set takes no subscriber");
	return end;
}

static void *open_writer(void *ctx, const struct peer_plan *plan,
			 uint32_t channel)
{
	struct end *end = end_new(plan);
	iox_pub_options_t options;
	char instance[32];

	(void)ctx;
	snprintf(instance, sizeof(instance), "%u", channel);
	iox_pub_options_init(&options);
	options.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
	end->pub = iox_pub_init(&end->pub_storage, plan->run, instance, "data",
				&options);
	return end;
}

static void ready(void *end)
{
	struct end *e = end;

	while (e->pub != NULL ? !iox_pub_has_subscribers(e->pub) :
		      iox_sub_get_subscription_state(e->sub) !=
				SubscribeState_SUBSCRIBED)
		usleep(100);
}

/* One wait-set for all. */
static void *watch(void *const *in, uint32_t nr)
{
	iox_ws_storage_t *storage = calloc(1, sizeof(*storage));
	iox_ws_t set;

	if (storage == NULL)
		worker_fail("no memory");
	set = iox_ws_init(storage);
	for (uint32_t i = 0; i < nr; i++) {
		struct end *e = in[i];

		if (iox_ws_attach_subscriber_state(
			    set, e->sub, SubscriberState_HAS_DATA, i, NULL) !=
		    WaitSetResult_SUCCESS)
			worker_fail("the wait-set takes no subscriber %u", i);
		e->set = set;
	}
	return set;
}

static uint32_t await(void *watch, uint32_t *ready, uint32_t max)
{
	iox_notification_info_t info[32];
	uint64_t missed, nr;

	nr = iox_ws_wait(watch, info, max < 32 ? max : 32, &missed);
	for (uint64_t i = 0; i < nr; i++)
		ready[i] = (uint32_t)iox_notification_info_get_notification_id(
			info[i]);
	return (uint32_t)nr;
}

static void close_end(void *end)
{
	struct end *e = end;

	if (e->set != NULL)
		iox_ws_detach_subscriber_state(e->set, e->sub,
					       SubscriberState_HAS_DATA);
	if (e->wait != NULL) {
		iox_ws_detach_subscriber_state(e->wait, e->sub,
					       SubscriberState_HAS_DATA);
		iox_ws_deinit(e->wait);
	}
	if (e->sub != NULL)
		iox_sub_deinit(e->sub);
	if (e->pub != NULL)
		iox_pub_deinit(e->pub);
	free(e);
}

/* Says goodbye to the daemon, which would look for its death otherwise. */
static void leave(void)
{
	iox_runtime_shutdown();
}

static const char *version(void)
{
	return worker_package("libiceoryx-binding-c-dev");
}
#endif

const struct peer peer_iceoryx = {
	.name = "iceoryx",
	.title = "iceoryx, C binding",
	.traits = PEER_TELLS_ONCE | PEER_OUTLIVES,
#ifdef PEER_ICEORYX
	.size_max = 4 << 20,
	.version = version,
	.begin = roudi_begin,
	.finish = roudi_finish,
	.daemon = roudi_pid,
	.begin_again = roudi_begin_again,
	.prepare = prepare,
	.drop = drop,
	.open_reader = open_reader,
	.open_writer = open_writer,
	.ready = ready,
	.watch = watch,
	.await = await,
	.close = close_end,
	.leave = leave,
	.loops = LOOPS,
#else
	.left_out = "libiceoryx_binding_c was not there at build time",
#endif
};
