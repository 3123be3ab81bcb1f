/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * dds.c - Cyclone DDS: a topic for each channel, an array of bytes its type, all
 * reliable; addresses of the loopback only.
 */
#include "dds.h"

#ifdef PEER_CYCLONE

#include "roudi.h"
#include "worker.h"

#include <dds/dds.h>
#include <dds/ddsc/dds_loan_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_NS DDS_SECS(20)
/* Messages that a reader keeps, of so many bytes at most. */
#define QUEUE_BYTES (64UL << 20)

struct dds {
	bool shm;
	dds_domainid_t domain;
};

struct end {
	dds_entity_t own;	/* reader or writer */
	dds_entity_t wait;
	bool writes, block, loans;
	uint32_t others;	/* to be matched with */
	size_t size;
	unsigned char *buffer;
	void *sample;		/* loaned */
};

static dds_entity_t participant;	/* of this process */

static dds_entity_t good(const char *what, dds_entity_t result)
{
	if (result < 0)
		worker_fail("%s: %s", what, dds_strretcode(result));
	return result;
}

void *dds_reserve(void *end)
{
	struct end *e = end;

	if (!e->loans)
		return e->buffer;
	return dds_loan_sample(e->own, &e->sample) == DDS_RETCODE_OK ?
	       e->sample : NULL;
}

void dds_send(void *end)
{
	struct end *e = end;

	good("dds_write", dds_write(e->own, e->loans ? e->sample : e->buffer));
}

const void *dds_receive(void *end, size_t *bytes)
{
	struct end *e = end;
	dds_sample_info_t info;

	*bytes = e->size;
	for (;;) {
		dds_return_t nr;

		e->sample = NULL;
		nr = good("dds_take", dds_take(e->own, &e->sample, &info, 1, 1));
		if (nr == 1 && info.valid_data)
			return e->sample;
		if (nr == 1)
			dds_return_loan(e->own, &e->sample, 1);
		if (!e->block)
			return NULL;
		good("dds_waitset_wait",
		     dds_waitset_wait(e->wait, NULL, 0, PATIENCE_NS));
	}
}

void dds_release(void *end)
{
	struct end *e = end;

	dds_return_loan(e->own, &e->sample, 1);
}

static void *prepare(const struct peer_plan *plan, bool shm, char *why,
		     size_t bytes)
{
	struct dds *dds = calloc(1, sizeof(*dds));
	unsigned int pid = 0, run = 0;

	if (dds == NULL) {
		snprintf(why, bytes, "no memory");
		return NULL;
	}
	/* A domain is a range of ports: not the one before, nor the default. */
	(void)sscanf(plan->run, "%u-%u", &pid, &run);
	dds->domain = 20 + (pid + run) % 200;
	dds->shm = shm;
	return dds;
}

void *dds_prepare_plain(const struct peer_plan *plan, char *why, size_t bytes)
{
	return prepare(plan, false, why, bytes);
}

void *dds_prepare_shm(const struct peer_plan *plan, char *why, size_t bytes)
{
	return prepare(plan, true, why, bytes);
}

void dds_drop(void *ctx)
{
	free(ctx);
}

static void enter(const struct dds *dds)
{
	static const char config[] =
		"<CycloneDDS><Domain Id=\"any\"><General><Interfaces>"
		"<NetworkInterface name=\"lo\" multicast=\"false\"/>"
		"</Interfaces><AllowMulticast>false</AllowMulticast>"
		"<MaxMessageSize>65500B</MaxMessageSize></General>"
		"<Discovery><ParticipantIndex>auto</ParticipantIndex>"
		"<MaxAutoParticipantIndex>40</MaxAutoParticipantIndex>"
		"<Peers><Peer Address=\"127.0.0.1\"/></Peers></Discovery>"
		"<SharedMemory><Enable>%s</Enable><LogLevel>off</LogLevel>"
		"</SharedMemory>"
		"</Domain></CycloneDDS>";
	char text[sizeof(config) + 16];

	if (participant != 0)
		return;
	if (dds->shm)
		roudi_join();
	snprintf(text, sizeof(text), config, dds->shm ? "true" : "false");
	good("dds_create_domain", dds_create_domain(dds->domain, text));
	participant = good("dds_create_participant",
			   dds_create_participant(dds->domain, NULL, NULL));
}

/* What idlc would write for: struct Message { octet data[size]; }; */
static dds_entity_t topic_of(const struct peer_plan *plan, uint32_t channel)
{
	const uint32_t ops[] = {
		DDS_OP_ADR | DDS_OP_TYPE_ARR | DDS_OP_SUBTYPE_1BY, 0,
		(uint32_t)plan->size, DDS_OP_RTS,
	};
	const dds_topic_descriptor_t descriptor = {
		.m_size = (uint32_t)plan->size,
		.m_align = 1,
		.m_flagset = DDS_TOPIC_FIXED_SIZE,
		.m_typename = "Message",
		.m_nops = 2,
		.m_ops = ops,
		.m_meta = "",
	};
	char name[32];

	snprintf(name, sizeof(name), "channel_%u", channel);
	return good("dds_create_topic",
		    dds_create_topic(participant, &descriptor, name, NULL,
				     NULL));
}

static dds_qos_t *qos_of(const struct dds *dds, const struct peer_plan *plan)
{
	dds_qos_t *qos = dds_create_qos();
	int32_t depth = QUEUE_BYTES / plan->size > 1000 ?
			1000 : (int32_t)(QUEUE_BYTES / plan->size);

	dds_qset_reliability(qos, DDS_RELIABILITY_RELIABLE, PATIENCE_NS);
	dds_qset_durability(qos, DDS_DURABILITY_VOLATILE);
	if (dds->shm) {
		/* It takes no other; a slow reader loses messages. */
		dds_qset_history(qos, DDS_HISTORY_KEEP_LAST, 16);
	} else {
		dds_qset_history(qos, DDS_HISTORY_KEEP_ALL, 0);
		dds_qset_resource_limits(qos, depth, DDS_LENGTH_UNLIMITED,
					 DDS_LENGTH_UNLIMITED);
	}
	return qos;
}

static struct end *end_new(struct dds *dds, const struct peer_plan *plan)
{
	struct end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		worker_fail("no memory");
	enter(dds);
	end->size = plan->size;
	end->block = plan->block;
	return end;
}

void *dds_open_reader(void *ctx, const struct peer_plan *plan, uint32_t channel,
		      uint32_t reader)
{
	struct end *end = end_new(ctx, plan);
	dds_qos_t *qos = qos_of(ctx, plan);

	(void)reader;
	end->own = good("dds_create_reader",
			dds_create_reader(participant, topic_of(plan, channel),
					  qos, NULL));
	dds_delete_qos(qos);
	end->others = 1;
	if (plan->block) {
		dds_entity_t condition =
			good("dds_create_readcondition",
			     dds_create_readcondition(end->own, DDS_ANY_STATE));

		end->wait = good("dds_create_waitset",
				 dds_create_waitset(participant));
		good("dds_waitset_attach",
		     dds_waitset_attach(end->wait, condition, 0));
	}
	return end;
}

void *dds_open_writer(void *ctx, const struct peer_plan *plan, uint32_t channel)
{
	struct end *end = end_new(ctx, plan);
	dds_qos_t *qos = qos_of(ctx, plan);

	end->writes = true;
	end->others = plan->readers;
	end->buffer = worker_buffer(plan->size);
	end->own = good("dds_create_writer",
			dds_create_writer(participant, topic_of(plan, channel),
					  qos, NULL));
	dds_delete_qos(qos);
	end->loans = dds_is_loan_available(end->own);
	return end;
}

void dds_ready(void *end)
{
	struct end *e = end;

	for (;;) {
		dds_publication_matched_status_t there = { 0 };
		dds_subscription_matched_status_t here = { 0 };

		if (e->writes)
			dds_get_publication_matched_status(e->own, &there);
		else
			dds_get_subscription_matched_status(e->own, &here);
		if (there.current_count + here.current_count >= e->others)
			break;
		usleep(100);
	}
}

/* Called once a process: the set is the library's, its handle is kept here. */
void *dds_watch(void *const *in, uint32_t nr)
{
	static dds_entity_t set;

	set = good("dds_create_waitset", dds_create_waitset(participant));
	for (uint32_t i = 0; i < nr; i++) {
		struct end *e = in[i];
		dds_entity_t condition =
			good("dds_create_readcondition",
			     dds_create_readcondition(e->own, DDS_ANY_STATE));

		good("dds_waitset_attach", dds_waitset_attach(set, condition,
							      (dds_attach_t)i));
	}
	return &set;
}

uint32_t dds_await(void *watch, uint32_t *ready, uint32_t max)
{
	dds_entity_t *set = watch;
	dds_attach_t found[64];
	dds_return_t nr;

	max = max < 64 ? max : 64;
	nr = good("dds_waitset_wait",
		  dds_waitset_wait(*set, found, max, PATIENCE_NS));
	for (uint32_t i = 0; i < (uint32_t)nr && i < max; i++)
		ready[i] = (uint32_t)found[i];
	return (uint32_t)nr < max ? (uint32_t)nr : max;
}

/* The participant goes with the process. */
void dds_close(void *end)
{
	struct end *e = end;

	dds_delete(e->own);
	free(e->buffer);
	free(e);
}

const char *dds_version(void)
{
	return worker_package("cyclonedds-dev");
}
#endif
