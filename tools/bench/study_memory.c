/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * study_memory.c - what a pool costs before its first message: to make it, to attach
 * to it, and memory beside that of its payloads.
 */
#include "bench_pool.h"
#include "study.h"

#include <json-c/json.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define MIB (1ULL << 20)

#define UNIT_NS 10	/* of a sample: 42 s fit */

enum { ATTACHES_MAX = 1000 };

static const uint64_t sizes_mib[] = { 16, 64, 256, 1024, 4096, 0 };
static const uint64_t sizes_mib_quick[] = { 16, 256, 1024, 0 };

/* In memory shared with the process that measures. */
struct ask {
	char pool[48];
	uint64_t bytes;
	bool prefault;
	bool populate;
	const struct peer *peer;
	const struct peer_plan *plan;
	void *ctx;
	struct run *run;

	uint64_t took_ns, populated_ns;
	double kib;
	uint64_t control_bytes, control_allocated, data_allocated;
	uint64_t segment_bytes;
	char failed[256];
};

static void __attribute__((noreturn)) fail(struct ask *ask, const char *what)
{
	snprintf(ask->failed, sizeof(ask->failed), "%s: %s", what,
		 zc_last_error());
	_exit(1);
}

/* What lies under the pool's name and its @id, in memory that is allocated. */
static void add_files(struct ask *ask, const char *id)
{
	const char *folder = getenv("ZEROCORE_DIR");
	struct dirent *entry;
	DIR *dir;

	if (folder == NULL || folder[0] == '\0')
		folder = "/dev/shm";
	dir = opendir(folder);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		uint64_t *sum = &ask->control_allocated;
		struct stat st;

		if ((strstr(entry->d_name, ask->pool) == NULL &&
		     strstr(entry->d_name, id) == NULL) ||
		    fstatat(dirfd(dir), entry->d_name, &st, 0) != 0)
			continue;
		if (strstr(entry->d_name, ".data") != NULL)
			sum = &ask->data_allocated;
		*sum += (uint64_t)st.st_blocks * 512;
	}
	if (dir != NULL)
		closedir(dir);
}

static void create(void *result)
{
	zc_pool_options_t options = ZC_POOL_OPTIONS_INIT;
	zc_pool_info_t info = { .sz = sizeof(info) };
	struct ask *ask = result;
	zc_pool_t *pool;
	uint64_t start;

	options.bytes = ask->bytes;
	options.prefault = ask->prefault;
	start = bench_now_ns();
	if (zc_pool_create(ask->pool, &options, &pool) != ZC_OK)
		fail(ask, "pool create");
	ask->took_ns = bench_now_ns() - start;
	if (zc_pool_get_info(pool, &info) != ZC_OK)
		fail(ask, "pool info");
	ask->control_bytes = info.control_bytes;
	ask->segment_bytes = info.segment_bytes;
	add_files(ask, info.creation_id);
	zc_pool_close(pool);
}

/* All of it, as a writer gets it, in this process's page tables. */
static void populate(struct ask *ask, zc_pool_t *pool)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	uint64_t each = ask->segment_bytes / 64, got = 0;
	zc_writer_t *writer;
	zc_handle_t handle;

	options.service = "compare/populate/data";
	if (zc_writer_register(pool, &options, &writer) != ZC_OK)
		fail(ask, "writer register");
	while (zc_writer_acquire_block(writer, each, &handle,
				       ZC_TIMEOUT_TRY) == ZC_OK) {
		void *data = zc_writer_block_data(writer, handle, NULL);

		/* As MAP_POPULATE does it where memory is shared. */
		if (madvise(data, each, MADV_POPULATE_READ) != 0)
			fail(ask, "MADV_POPULATE_READ, which takes Linux 5.14");
		got += each;
	}
	/* All but what a writer keeps for others is all there is to see. */
	if (got < ask->bytes / 2)
		fail(ask, "acquire");
}

static void attach(void *result)
{
	struct ask *ask = result;
	zc_pool_t *pool;
	uint64_t start = bench_now_ns();

	if (zc_pool_open(ask->pool, &pool) != ZC_OK)
		fail(ask, "pool open");
	ask->took_ns = bench_now_ns() - start;
	if (ask->populate)
		populate(ask, pool);
	ask->populated_ns = bench_now_ns() - start;
	zc_pool_close(pool);
}

/* The same without a pool: memory that is there is mapped. */
static void map(void *result)
{
	struct ask *ask = result;
	int fd = memfd_create("zerocore-compare", MFD_CLOEXEC);
	uint64_t start;
	void *addr;

	if (fd < 0 || ftruncate(fd, (off_t)ask->bytes) != 0)
		fail(ask, "memfd");
	/* As a pool's, it is there and was cleared before. */
	addr = mmap(NULL, ask->bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, 0);
	if (addr == MAP_FAILED || munmap(addr, ask->bytes) != 0)
		fail(ask, "mmap");
	start = bench_now_ns();
	addr = mmap(NULL, ask->bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | (ask->populate ? MAP_POPULATE : 0), fd, 0);
	ask->took_ns = ask->populated_ns = bench_now_ns() - start;
	if (addr == MAP_FAILED)
		fail(ask, "mmap");
}

/* What a process has in memory more when it has one end of a channel. */
static void open_end(void *result)
{
	struct ask *ask = result;
	struct worker w = {
		.run = ask->run,
		.cell = &(struct cell){ .size = 4096, .others = 1 },
		.peer = ask->peer,
		.plan = ask->plan,
		.parent_pid = (int)getppid(),
	};
	double before;

	worker_begin(&w);
	before = worker_memory_kib((int)getpid(), "Rss");
	(void)ask->peer->open_reader(ask->ctx, ask->plan, 0, 0);
	ask->kib = worker_memory_kib((int)getpid(), "Rss") - before;
	if (ask->peer->leave != NULL)
		ask->peer->leave();
}

static bool did(struct ask *ask, const char *what, void (*body)(void *result))
{
	ask->failed[0] = '\0';
	if (study_in_child(what, body, ask))
		return true;
	if (ask->failed[0] != '\0')
		fprintf(stderr, "zerocore: %s: %s\n", what, ask->failed);
	return false;
}

static void new_pool(struct ask *ask, uint64_t bytes, bool prefault)
{
	struct run *run = ask->run;

	*ask = (struct ask){ .bytes = bytes, .prefault = prefault, .run = run };
	snprintf(ask->pool, sizeof(ask->pool), "compare-%d-memory",
		 (int)getpid());
}

/* @body so often; false: it failed. */
static bool attaches(const struct compare *compare, struct ask *ask,
		     const char *who, bool populated, uint32_t times,
		     double *median_ns)
{
	bool kernel = strcmp(who, "kernel") == 0;
	struct json_object *line;
	uint32_t samples[ATTACHES_MAX];
	struct bench_percentiles p;
	char a[32], b[32];

	ask->populate = populated;
	for (uint32_t i = 0; i < times; i++) {
		if (!did(ask, "attach", kernel ? map : attach))
			return false;
		samples[i] = bench_sample((populated ? ask->populated_ns :
						       ask->took_ns) /
					  UNIT_NS);
	}
	line = study_line(&study_memory, who,
			  populated ? "attach_populated" : "attach");
	study_add_count(line, "pool_bytes", ask->bytes);
	study_add_times(line, samples, times, UNIT_NS, 0);
	bench_percentiles_of(samples, times, UNIT_NS, &p);
	*median_ns = p.p50_ns;
	study_put(compare, line, "  %-10s %6llu MiB  %-32s p50 %9s  max %9s\n",
		  who, (unsigned long long)ask->bytes / MIB,
		  kernel ? populated ? "mmap, MAP_POPULATE" : "mmap" :
		  populated ? "attach, all of it populated" :
			      "attach, lazily mapped",
		  time_text(p.p50_ns, a, sizeof(a)),
		  time_text(p.max_ns, b, sizeof(b)));
	return true;
}

static bool attach_all(const struct compare *compare, struct ask *ask)
{
	uint32_t often = compare->reps * 20, seldom = compare->reps * 2;
	double ns;
	bool good;

	if (often > ATTACHES_MAX)
		often = ATTACHES_MAX;
	new_pool(ask, 1024 * MIB, true);
	good = did(ask, "create", create) &&
	       attaches(compare, ask, "zerocore", false, often, &ns) &&
	       attaches(compare, ask, "kernel", false, seldom, &ns) &&
	       attaches(compare, ask, "zerocore", true, seldom, &ns) &&
	       attaches(compare, ask, "kernel", true, seldom, &ns);
	(void)zc_pool_remove(ask->pool);
	return good;
}

/* What a reader's end adds to its process. */
static bool end_kib(struct ask *ask, const struct peer *peer, uint64_t bytes)
{
	struct peer_plan plan = { .channels = 1, .readers = 1, .size = 4096,
				  .starts = true, .pool_bytes = bytes };
	bool good;

	snprintf(plan.run, sizeof(plan.run), "%d-m%llu", (int)getpid(),
		 (unsigned long long)(bytes / MIB));
	ask->peer = peer;
	ask->plan = &plan;
	ask->ctx = peer->prepare(&plan, ask->failed, sizeof(ask->failed));
	if (ask->ctx == NULL) {
		fprintf(stderr, "zerocore: memory: %s\n", ask->failed);
		return false;
	}
	ask->run->error[0] = '\0';
	good = did(ask, "memory", open_end);
	if (!good && ask->run->error[0] != '\0')
		fprintf(stderr, "zerocore: memory: %s\n", ask->run->error);
	peer->drop(ask->ctx);
	return good;
}

static bool pool_of_size(const struct compare *compare, struct ask *ask,
			 uint64_t bytes)
{
	uint64_t lazy_ns, prefault_ns;
	struct json_object *line;
	char a[32], b[32];
	bool good;

	new_pool(ask, bytes, true);
	good = did(ask, "create", create);
	prefault_ns = ask->took_ns;
	(void)zc_pool_remove(ask->pool);
	if (!good)
		return false;
	new_pool(ask, bytes, false);
	good = did(ask, "create", create);
	lazy_ns = ask->took_ns;
	(void)zc_pool_remove(ask->pool);
	if (!good || !end_kib(ask, &peer_zerocore, bytes))
		return false;
	line = study_line(&study_memory, "zerocore", "overhead");
	study_add_count(line, "pool_bytes", bytes);
	study_add_count(line, "control_bytes", ask->control_bytes);
	study_add_count(line, "control_allocated_bytes", ask->control_allocated);
	study_add_count(line, "data_allocated_bytes", ask->data_allocated);
	bench_json_number(line, "process_kib", ask->kib);
	study_add_count(line, "daemon_kib", 0);
	study_add_count(line, "create_ns", lazy_ns);
	study_add_count(line, "create_prefault_ns", prefault_ns);
	study_put(compare, line, "  %-10s %6llu MiB  control %7.2f MiB (%.1f %%), "
		  "a process %.0f KiB, create %s, prefaulted %s\n", "zerocore",
		  (unsigned long long)bytes / MIB,
		  (double)ask->control_allocated / MIB,
		  100.0 * (double)ask->control_allocated / (double)bytes,
		  ask->kib, time_text((double)lazy_ns, a, sizeof(a)),
		  time_text((double)prefault_ns, b, sizeof(b)));
	return true;
}

static bool daemons(const struct compare *compare, struct ask *ask)
{
	bool good = true;

	for (uint32_t i = 0; i < peers_nr && good; i++) {
		const struct peer *peer = peers[i];
		struct json_object *line;
		double daemon_kib;

		if (!compare->take[i] || peer->daemon == NULL ||
		    peer->daemon() == 0)
			continue;
		good = end_kib(ask, peer, 0);
		if (!good)
			break;
		daemon_kib = worker_memory_kib(peer->daemon(), "Rss");
		line = study_line(&study_memory, peer->name, "overhead");
		bench_json_number(line, "process_kib", ask->kib);
		bench_json_number(line, "daemon_kib", daemon_kib);
		study_put(compare, line, "  %-10s             a process %.0f KiB, its "
			  "daemon %.1f MiB\n", peer->name, ask->kib,
			  daemon_kib / 1024);
	}
	return good;
}

static int run(const struct compare *compare)
{
	const uint64_t *size = compare->quick ? sizes_mib_quick : sizes_mib;
	struct ask *ask;
	bool good;

	if (!study_takes(compare, &peer_zerocore))
		return 0;
	ask = bench_shared_map(sizeof(*ask), false);
	ask->run = bench_shared_map(sizeof(*ask->run), false);
	study_head(compare, "\nmemory: attaching, and memory in use\n");
	good = attach_all(compare, ask);
	for (; *size != 0 && good && bench_guard_signal() == 0; size++) {
		uint64_t available;

		if (bench_memory_for(*size * MIB, &available))
			good = pool_of_size(compare, ask, *size * MIB);
	}
	good = good && bench_guard_signal() == 0 && daemons(compare, ask);
	bench_shared_unmap(ask->run, sizeof(*ask->run));
	bench_shared_unmap(ask, sizeof(*ask));
	return good ? 0 : 1;
}

const struct study study_memory = {
	.name = "memory",
	.what = "to attach to a pool, to make one, and memory beside its payloads",
	.run = run,
};
