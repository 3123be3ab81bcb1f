/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * outlive.c - how soon the other side of a killed process goes on.
 *
 * The command forks one process that stays and victims one after the other.  All
 * talk through memory that they share.  Where the peer's daemon does not get over a
 * death, all of it is ended and started anew, and the kill counts as one after
 * which nobody went on.
 */
#include "outlive.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A message that carries the number of its writer above this has its own below. */
#define WRITER_SHIFT 32
/* Messages that a victim takes, or sends, before it is killed. */
#define WARM 64
/* A writer that has sent nothing for so long waits for who does not read. */
#define STUCK_NS 30000000
/* A victim in the middle of its stream lives on for up to so long. */
#define LIFE_NS 5000000
#define PATIENCE_NS 20000000000ULL
#define STEP_US 500

/* In memory that all of them share. */
struct stage {
	struct run run;
	_Alignas(64) uint64_t moved;	/* messages that who stays sent, or took */
	uint64_t writer;		/* number of the last message's writer */
	uint64_t lost;
	_Alignas(64) uint32_t armed;	/* the next movement is what counts */
	uint64_t on_ns;			/* when that was */
	_Alignas(64) uint32_t victims;	/* that have got as far as they go */
	uint32_t go;			/* number of the writer whose turn it is */
};

struct play {
	struct outlive *o;
	struct stage *stage;
	struct cell cell;
	struct peer_plan plan;
	struct worker worker;	/* what all processes begin with */
	pid_t stays;
	pid_t victim;
	pid_t next;		/* the writer that stands by */
	uint64_t random;
	uint32_t number;	/* of the newest victim, from 1 on */
};

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void moved(struct stage *stage)
{
	if (__atomic_load_n(&stage->armed, __ATOMIC_ACQUIRE) != 0) {
		__atomic_store_n(&stage->on_ns, bench_now_ns(),
				 __ATOMIC_RELAXED);
		__atomic_store_n(&stage->armed, 0, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&stage->moved, stage->moved + 1, __ATOMIC_RELEASE);
}

/* Stays, and sends for ever; to whoever is there. */
static void writer_stays(struct worker *w, struct stage *stage)
{
	void *out = w->peer->open_writer(w->ctx, w->plan, 0);
	struct loop loop;

	worker_loop(w, &loop);
	for (;;) {
		w->peer->loops.write(out, &loop, 1);
		moved(stage);
	}
}

/* Takes a few messages, and then no more. */
static void reader_dies(struct worker *w, struct stage *stage)
{
	void *in = w->peer->open_reader(w->ctx, w->plan, 0, 0);
	struct loop loop;

	worker_loop(w, &loop);
	for (uint32_t i = 0; i < WARM; i++)
		w->peer->loops.take(in, &loop);
	worker_book(w, &loop);
	__atomic_add_fetch(&stage->victims, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/* Stays, and takes what comes, from whoever sends it. */
static void reader_stays(struct worker *w, struct stage *stage)
{
	void *in = w->peer->open_reader(w->ctx, w->plan, 0, 0);
	uint64_t next = 0, wrong = 0;
	struct loop loop;

	worker_loop(w, &loop);
	__atomic_store_n(&stage->victims, 1, __ATOMIC_RELEASE);
	for (;;) {
		uint64_t number = w->peer->loops.take(in, &loop);
		uint64_t writer = number >> WRITER_SHIFT;

		if (writer != stage->writer) {
			next = writer << WRITER_SHIFT;
			__atomic_store_n(&stage->writer, writer,
					 __ATOMIC_RELEASE);
			moved(stage);
		}
		stage->lost += number - next;
		next = number + 1;
		stage->run.checked++;
		stage->run.wrong += loop.wrong - wrong;
		wrong = loop.wrong;
	}
}

/* Stands by until it is its turn; then attaches, and sends until it is killed. */
static void writer_dies(struct worker *w, struct stage *stage, uint32_t number)
{
	struct loop loop;
	void *out;

	__atomic_add_fetch(&stage->victims, 1, __ATOMIC_RELEASE);
	for (;;) {
		uint32_t turn = __atomic_load_n(&stage->go, __ATOMIC_ACQUIRE);

		if (turn == number)
			break;
		syscall(SYS_futex, &stage->go, FUTEX_WAIT, turn, NULL, NULL, 0);
	}
	out = w->peer->open_writer(w->ctx, w->plan, 0);
	worker_loop(w, &loop);
	loop.sent = (uint64_t)number << WRITER_SHIFT;
	for (;;)
		w->peer->loops.write(out, &loop, 1);
}

static void give_turn(struct stage *stage, uint32_t number)
{
	__atomic_store_n(&stage->go, number, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &stage->go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static pid_t fork_one(struct play *p, bool stays)
{
	struct worker w = p->worker;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	w.id = p->o->writer == stays ? 1 : 0;
	worker_begin(&w);
	if (stays && p->o->writer)
		reader_stays(&w, p->stage);
	else if (stays)
		writer_stays(&w, p->stage);
	else if (p->o->writer)
		writer_dies(&w, p->stage, p->number);
	else
		reader_dies(&w, p->stage);
	_exit(1);
}

static void end(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*pid = 0;
}

/* Nobody who should be there has ended. */
static bool all_live(struct play *p)
{
	pid_t *pid[] = { &p->stays, &p->victim, &p->next };
	int status;

	for (int i = 0; i < 3; i++) {
		if (*pid[i] <= 0 || waitpid(*pid[i], &status, WNOHANG) == 0)
			continue;
		*pid[i] = 0;
		if (p->stage->run.error[0] == '\0')
			snprintf(p->stage->run.error,
				 sizeof(p->stage->run.error),
				 WIFSIGNALED(status) ? "%s was ended by signal %d" :
						       "%s ended with %d",
				 i == 0 ? "who stays" : "a victim",
				 WIFSIGNALED(status) ? WTERMSIG(status) :
						       WEXITSTATUS(status));
		return false;
	}
	return true;
}

/* Until @done says so; false: it took too long, or somebody ended. */
static bool until(struct play *p, bool (*done)(struct play *p),
		  uint64_t limit_ns, const char *what)
{
	uint64_t start_ns = bench_now_ns();

	while (!done(p)) {
		if (bench_guard_signal() != 0 || !all_live(p))
			return false;
		if (bench_now_ns() - start_ns > limit_ns) {
			snprintf(p->stage->run.error,
				 sizeof(p->stage->run.error), "%s within %.1f s",
				 what, (double)limit_ns / 1e9);
			return false;
		}
		usleep(STEP_US);
	}
	return true;
}

static bool all_ready(struct play *p)
{
	uint32_t want = p->o->writer ? p->number + 1 : p->number;

	return __atomic_load_n(&p->stage->victims, __ATOMIC_ACQUIRE) >= want;
}

static bool on_again(struct play *p)
{
	return __atomic_load_n(&p->stage->armed, __ATOMIC_ACQUIRE) == 0;
}

static bool writer_is_stuck(struct play *p)
{
	uint64_t before = load(&p->stage->moved);
	struct timespec wait = { .tv_nsec = STUCK_NS };

	nanosleep(&wait, NULL);
	return load(&p->stage->moved) == before;
}

/* The writer whose turn it is is heard. */
static bool is_heard(struct play *p)
{
	return load(&p->stage->writer) == p->stage->go;
}

static bool reader_ready(struct play *p)
{
	return __atomic_load_n(&p->stage->victims, __ATOMIC_ACQUIRE) >= 1;
}

static bool start(struct play *p)
{
	struct outlive *o = p->o;
	static uint32_t runs;

	memset(p->stage, 0, offsetof(struct stage, run.samples));
	memset(&p->stage->moved, 0,
	       sizeof(*p->stage) - offsetof(struct stage, moved));
	p->stage->run.realtime = 1;
	p->number = 0;
	p->plan = (struct peer_plan){
		.channels = 1,
		.readers = 1,
		.size = p->cell.size,
		.pool_bytes = o->pool_bytes,
		/* A reader that sleeps leaves the processors to who has to act. */
		.block = o->writer,
	};
	snprintf(p->plan.run, sizeof(p->plan.run), "%d-o%u", (int)getpid(),
		 runs++);
	p->worker = (struct worker){
		.run = &p->stage->run,
		.cell = &p->cell,
		.peer = o->peer,
		.plan = &p->plan,
		.spoil = UINT64_MAX,
		.parent_pid = (int)getpid(),
	};
	p->worker.ctx = o->peer->prepare(&p->plan, p->stage->run.error,
					 sizeof(p->stage->run.error));
	if (p->worker.ctx == NULL)
		return false;
	p->stays = fork_one(p, true);
	if (!o->writer)
		return p->stays > 0;
	if (!until(p, reader_ready, PATIENCE_NS, "the reader is not there"))
		return false;
	p->number = 1;
	p->victim = fork_one(p, false);
	give_turn(p->stage, 1);
	return p->victim > 0 &&
	       until(p, is_heard, PATIENCE_NS, "no message came");
}

static void stop(struct play *p)
{
	end(&p->stays);
	end(&p->victim);
	end(&p->next);
	p->o->checked += p->stage->run.checked;
	p->o->wrong += p->stage->run.wrong;
	p->o->lost += p->stage->lost;
	if (p->worker.ctx != NULL)
		p->o->peer->drop(p->worker.ctx);
	p->worker.ctx = NULL;
}

/* Up to the moment in which the victim is to be killed. */
static bool live(struct play *p)
{
	struct timespec life = { .tv_nsec = (long)(p->random % LIFE_NS) };

	p->random = p->random * 6364136223846793005ULL + 1442695040888963407ULL;
	if (!p->o->writer) {
		p->number++;
		p->victim = fork_one(p, false);
		return p->victim > 0 &&
		       until(p, all_ready, PATIENCE_NS,
			     "the new reader got no messages") &&
		       until(p, writer_is_stuck, PATIENCE_NS,
			     "the writer did not wait for its reader");
	}
	/* The next one stands by. */
	p->number++;
	p->next = fork_one(p, false);
	if (p->next <= 0 ||
	    !until(p, all_ready, PATIENCE_NS, "the next writer is not there"))
		return false;
	nanosleep(&life, NULL);
	return true;
}

static bool one_kill(struct play *p)
{
	struct outlive *o = p->o;
	struct stage *stage = p->stage;
	uint64_t kill_ns;

	__atomic_store_n(&stage->armed, 1, __ATOMIC_SEQ_CST);
	kill_ns = bench_now_ns();
	kill(p->victim, SIGKILL);
	if (o->writer)
		give_turn(stage, p->number);
	while (waitpid(p->victim, NULL, 0) < 0 && errno == EINTR)
		;
	p->victim = p->next;
	p->next = 0;
	if (!until(p, on_again, o->limit_ns, "nobody went on"))
		return false;
	o->samples[o->samples_nr++] = (uint32_t)(
		(double)(stage->on_ns - kill_ns) / OUTLIVE_UNIT_NS);
	return true;
}

/* The peer did not get over it: from the beginning, if it has one. */
static bool again(struct play *p)
{
	struct outlive *o = p->o;
	char why[256] = "";

	o->never++;
	if (o->first_never[0] == '\0')
		snprintf(o->first_never, sizeof(o->first_never), "%s",
			 p->stage->run.error);
	stop(p);
	if (bench_guard_signal() != 0 || o->peer->begin_again == NULL)
		return false;
	o->restarts++;
	if (o->peer->begin_again(why, sizeof(why)))
		return true;
	snprintf(o->first_never, sizeof(o->first_never), "%s", why);
	return false;
}

bool outlive_measure(struct outlive *o)
{
	struct play play = {
		.o = o,
		.stage = bench_shared_map(sizeof(*play.stage), false),
		.cell = { .size = 4096, .others = 1 },
		.random = 1,
	};
	bool good = true, running = false;

	o->samples = calloc(o->kills, sizeof(*o->samples));
	if (o->samples == NULL)
		worker_fail("zerocore: no memory for so many kills");
	while (good && o->samples_nr + o->never < o->kills) {
		if (!running) {
			running = start(&play);
			good = running || again(&play);
			continue;
		}
		running = live(&play) && one_kill(&play);
		good = running || again(&play);
	}
	stop(&play);
	/* Who stayed was killed, too: the next one finds a daemon that is well. */
	if (good && o->peer->begin_again != NULL)
		good = o->peer->begin_again(o->first_never,
					    sizeof(o->first_never));
	bench_shared_unmap(play.stage, sizeof(*play.stage));
	if (!good && bench_guard_signal() == 0)
		fprintf(stderr, "zerocore: recovery, %s: %s\n", o->peer->name,
			o->first_never);
	return good;
}
