/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_blocks.c - zerocore blocks: who holds each block, and since when.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "directory.h"
#include "observe.h"

/* What the state and the owner of a block come to. */
enum kind { KIND_FREE, KIND_CLAIMED, KIND_USING, KIND_CLEAN, KINDS };

static const char *const kind_names[KINDS + 1] = { "free", "claimed", "using",
						   "clean", NULL };

/* Owners as inspect.h numbers them. */
#define OWNER_WRITERS 32U
#define OWNER_CLEANERS 8U
#define OWNER_ORPHAN 41U
#define OWNERS (OWNER_ORPHAN + 1)

struct sum {
	uint64_t blocks;
	uint64_t bytes;
};

struct blocks {
	const char *pool_name;
	bool all;
	bool summary;
	bool verify;
	bool corrupt;
	uint64_t faults;
	uint32_t kinds;		/* bit k: show kind k */
	uint32_t granule_bytes;
	struct directory directory;
	struct sum sums[OWNERS][KINDS];
	struct sum held;
	uint64_t oldest_ns;
};

static enum kind kind_of(const zc_inspect_block_t *block)
{
	switch (block->state) {
	case 0:
		return block->owner ? KIND_CLAIMED : KIND_FREE;
	case 1:
		return KIND_USING;
	default:
		return KIND_CLEAN;
	}
}

/* Index of the writer in the directory, -1: none. */
static int writer_of(uint32_t owner)
{
	return owner >= 1 && owner <= OWNER_WRITERS ? (int)owner - 1 : -1;
}

static const char *owner_name(const struct blocks *in, uint32_t owner,
			      char *out, size_t out_bytes)
{
	int writer = writer_of(owner);

	if (!owner)
		snprintf(out, out_bytes, "-");
	else if (writer >= 0 && in->directory.service[writer][0])
		return cli_printable(in->directory.service[writer], out,
				     out_bytes);
	else if (writer >= 0)
		snprintf(out, out_bytes, "writer %d", writer);
	else if (owner <= OWNER_WRITERS + OWNER_CLEANERS)
		snprintf(out, out_bytes, "cleaner %u",
			 owner - OWNER_WRITERS - 1);
	else if (owner == OWNER_ORPHAN)
		snprintf(out, out_bytes, "orphan");
	else
		snprintf(out, out_bytes, "unknown %u", owner);
	return out;
}

/* "0(1234),2(1240)": reader and its process. */
static const char *reader_list(const struct blocks *in, uint32_t owner,
			       uint32_t mask, char *out, size_t out_bytes)
{
	int writer = writer_of(owner);
	size_t used = 0;
	uint32_t pid;
	int bit;

	snprintf(out, out_bytes, "-");
	for (bit = 0; bit < DIRECTORY_READERS && used + 1 < out_bytes; bit++) {
		if (!(mask & (1U << bit)))
			continue;
		pid = writer < 0 ? 0 : in->directory.reader_pid[writer][bit];
		used += (size_t)snprintf(out + used, out_bytes - used,
					 pid ? "%s%d(%u)" : "%s%d",
					 used ? "," : "", bit, pid);
	}
	return out;
}

static struct json_object *readers_json(const struct blocks *in,
					uint32_t owner, uint32_t mask)
{
	struct json_object *array = json_object_new_array();
	int writer = writer_of(owner);
	struct json_object *o;
	uint32_t pid;
	int bit;

	for (bit = 0; bit < DIRECTORY_READERS; bit++) {
		if (!(mask & (1U << bit)))
			continue;
		pid = writer < 0 ? 0 : in->directory.reader_pid[writer][bit];
		o = json_object_new_object();
		cli_json_u64(o, "reader", (uint64_t)bit);
		if (pid)
			cli_json_u64(o, "pid", pid);
		json_object_array_add(array, o);
	}
	return array;
}

static void block_json(const struct blocks *in, const zc_inspect_block_t *block)
{
	struct json_object *o = json_object_new_object();
	int writer = writer_of(block->owner);
	char text[256];

	cli_json_u64(o, "granule", block->granule);
	cli_json_u64(o, "granules", block->granules);
	cli_json_u64(o, "bytes", (uint64_t)block->granules * in->granule_bytes);
	cli_json_u64(o, "generation", block->generation);
	cli_json_string(o, "state", kind_names[kind_of(block)]);
	cli_json_string(o, "owner", owner_name(in, block->owner, text,
					       sizeof(text)));
	if (writer >= 0)
		cli_json_u64(o, "owner_pid", in->directory.writer_pid[writer]);
	cli_json_u64(o, "payload_bytes", block->bytes);
	cli_json_u64(o, "sequence", block->sequence);
	cli_json_u64(o, "age_ns", block->age_ns);
	if (in->verify) {
		cli_json_string(o, "guard", zc_guard_name((zc_guard_t)block->guard));
		cli_json_string(o, "fault",
				zc_guard_fault_name((zc_guard_fault_t)block->fault));
	}
	json_object_object_add(o, "held_by",
			       readers_json(in, block->owner, block->held_by));
	json_object_object_add(o, "unvisited_by",
			       readers_json(in, block->owner,
					    block->unvisited_by));
	cli_json_line(o);
}

static void print_block(const struct blocks *in,
			const zc_inspect_block_t *block)
{
	char size[CLI_TEXT];
	char age[CLI_TEXT] = "-";
	char owner[256];
	char held[640];
	char unvisited[640];

	if (block->age_ns)
		cli_format_age(block->age_ns, age);
	printf("%10llu %11s %-8s %10llu %12llu %10s  %-24s %-14s %s\n",
	       (unsigned long long)block->granule,
	       cli_format_bytes((uint64_t)block->granules * in->granule_bytes,
				size),
	       block->fault ? "CORRUPT" : kind_names[kind_of(block)],
	       (unsigned long long)block->sequence,
	       (unsigned long long)block->bytes, age,
	       owner_name(in, block->owner, owner, sizeof(owner)),
	       reader_list(in, block->owner, block->held_by, held,
			   sizeof(held)),
	       reader_list(in, block->owner, block->unvisited_by, unvisited,
			   sizeof(unvisited)));
}

static void add(struct sum *sum, uint64_t bytes)
{
	sum->blocks++;
	sum->bytes += bytes;
}

static int visit(const zc_inspect_block_t *block, void *ctx)
{
	struct blocks *in = ctx;
	uint64_t bytes = (uint64_t)block->granules * in->granule_bytes;
	enum kind kind = kind_of(block);

	in->faults += block->fault != 0;
	if (in->summary) {
		if (block->owner < OWNERS)
			add(&in->sums[block->owner][kind], bytes);
		if (block->held_by)
			add(&in->held, bytes);
		if (kind == KIND_USING && block->age_ns > in->oldest_ns)
			in->oldest_ns = block->age_ns;
	} else if (in->kinds & (1U << kind) && (!in->corrupt || block->fault)) {
		if (cli_json)
			block_json(in, block);
		else
			print_block(in, block);
	}
	/* A reader of ours that went away: no use in going on. */
	return ferror(stdout);
}

static struct sum total(const struct blocks *in, enum kind kind)
{
	struct sum sum = { 0, 0 };
	unsigned int owner;

	for (owner = 0; owner < OWNERS; owner++) {
		sum.blocks += in->sums[owner][kind].blocks;
		sum.bytes += in->sums[owner][kind].bytes;
	}
	return sum;
}

static struct json_object *sum_json(const struct sum *sum)
{
	struct json_object *o = json_object_new_object();

	cli_json_u64(o, "blocks", sum->blocks);
	cli_json_u64(o, "bytes", sum->bytes);
	return o;
}

static void summary_json(const struct blocks *in, bool whole)
{
	struct json_object *o = json_object_new_object();
	struct json_object *owners = json_object_new_array();
	struct json_object *one;
	unsigned int owner;
	unsigned int kind;
	uint64_t blocks;
	struct sum sum;
	char text[256];

	for (kind = 0; kind < KINDS; kind++) {
		sum = total(in, kind);
		json_object_object_add(o, kind_names[kind], sum_json(&sum));
	}
	json_object_object_add(o, "held", sum_json(&in->held));
	cli_json_u64(o, "oldest_ns", in->oldest_ns);
	for (owner = 1; owner < OWNERS; owner++) {
		one = json_object_new_object();
		blocks = 0;
		cli_json_string(one, "owner",
				owner_name(in, owner, text, sizeof(text)));
		for (kind = KIND_CLAIMED; kind < KINDS; kind++) {
			blocks += in->sums[owner][kind].blocks;
			json_object_object_add(one, kind_names[kind],
					       sum_json(&in->sums[owner][kind]));
		}
		if (blocks)
			json_object_array_add(owners, one);
		else
			json_object_put(one);
	}
	json_object_object_add(o, "owners", owners);
	cli_json_bool(o, "whole", whole);
	cli_json_line(o);
}

static void print_sum(const char *what, const struct sum *sum)
{
	char size[CLI_TEXT];

	printf("%-24s %10llu %12s\n", what, (unsigned long long)sum->blocks,
	       cli_format_bytes(sum->bytes, size));
}

static void print_summary(const struct blocks *in)
{
	unsigned int owner;
	unsigned int kind;
	struct sum sum;
	char text[256];
	char what[300];
	char age[CLI_TEXT];

	printf("%-24s %10s %12s\n", "STATE", "BLOCKS", "MEMORY");
	for (kind = 0; kind < KINDS; kind++) {
		sum = total(in, kind);
		print_sum(kind_names[kind], &sum);
		for (owner = 1; owner < OWNERS; owner++) {
			if (!in->sums[owner][kind].blocks)
				continue;
			snprintf(what, sizeof(what), "  %s",
				 owner_name(in, owner, text, sizeof(text)));
			print_sum(what, &in->sums[owner][kind]);
		}
	}
	print_sum("held by readers", &in->held);
	if (in->oldest_ns)
		printf("the oldest published block is %s old\n",
		       cli_format_age(in->oldest_ns, age));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct blocks *in = state->input;

	switch (key) {
	case 'a':
		in->kinds = (1U << KINDS) - 1;
		return 0;
	case 's':
		in->kinds = 1U << cli_arg_choice(state, "--state", arg,
						 kind_names);
		return 0;
	case 'S':
		in->summary = true;
		return 0;
	case 'v':
		in->verify = true;
		return 0;
	case 'c':
		in->verify = true;
		in->corrupt = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "`%s' is too many", arg);
		in->pool_name = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say the POOL");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0, "Free runs, too", 0 },
	{ "state", 's', "STATE", 0, "Only free, claimed, using or clean ones",
	  0 },
	{ "verify", 'v', NULL, 0, "Verify those that are guarded", 0 },
	{ "corrupt", 'c', NULL, 0, "Verify, and show corrupt ones only", 0 },
	{ "summary", 'S', NULL, 0, "Blocks and bytes of each state and owner",
	  0 },
	{ 0 }
};

static const struct argp_child children[] = { { &cli_json_argp, 0, NULL, 0 },
					      { 0 } };

static const struct argp argp = {
	options, parse, "POOL",
	"Show each block: state, owner, size, age, which readers hold it and "
	"which have not visited it. The pool may be in motion: each row is true "
	"by itself."
	"\v"
	"Examples:\n"
	"  zerocore blocks demo\n"
	"  zerocore blocks demo --state using --json\n"
	"  zerocore blocks demo --summary\n"
	"  zerocore blocks demo --corrupt\n",
	children, NULL, NULL
};

static int show(zc_pool_t *pool, const char *name, void *ctx)
{
	struct blocks *in = ctx;
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_result_t result = zc_pool_get_info(pool, &info);

	if (result)
		return cli_fail_pool(result, name);
	in->granule_bytes = info.granule_bytes;
	directory_read(&in->directory, pool);
	if (!cli_json && !in->summary)
		printf("%10s %11s %-8s %10s %12s %10s  %-24s %-14s %s\n",
		       "GRANULE", "MEMORY", "STATE", "SEQUENCE", "PAYLOAD",
		       "AGE", "OWNER", "HELD BY", "NOT VISITED BY");
	result = in->verify ? zc_inspect_verified(pool, visit, in) :
			      zc_inspect_blocks(pool, visit, in);
	if (result && result != ZC_ERROR_BUSY)
		return cli_fail_pool(result, name);
	if (in->summary && cli_json)
		summary_json(in, !result);
	else if (in->summary)
		print_summary(in);
	if (in->faults)
		cli_note("%llu blocks of pool %s are corrupt: see `zerocore events` for who wrote them",
			 (unsigned long long)in->faults, name);
	if (result)
		cli_note("pool %s changes too quickly: some blocks are not shown", name);
	return CLI_OK;
}

int cmd_blocks(int argc, char **argv)
{
	struct blocks *in = calloc(1, sizeof(*in));
	struct observe how = { .look = show, .ctx = in };
	int status;

	if (!in)
		return cli_error("no memory");
	in->kinds = ((1U << KINDS) - 1) & ~(1U << KIND_FREE);
	cli_parse(&argp, argc, argv, in);
	status = observe(in->pool_name, &how);
	free(in);
	return status;
}
