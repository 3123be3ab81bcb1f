/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * roudi.c - iceoryx's daemon, as a child.
 */
#include "roudi.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* It zeroes half a gigabyte first. */
#define START_MS 20000
#define END_MS 5000

#define CONFIG "/tmp/roudi.toml"

static pid_t daemon_pid;
static uint32_t users;

/* Chunks for each size that is measured, and its alignment. */
static const char config[] =
	"[general]\nversion = 1\n\n[[segment]]\n"
	"[[segment.mempool]]\nsize = 256\ncount = 10000\n"
	"[[segment.mempool]]\nsize = 1024\ncount = 4096\n"
	"[[segment.mempool]]\nsize = 8192\ncount = 4096\n"
	"[[segment.mempool]]\nsize = 66560\ncount = 1024\n"
	"[[segment.mempool]]\nsize = 1049600\ncount = 64\n"
	"[[segment.mempool]]\nsize = 4195328\ncount = 48\n";

static bool write_config(void)
{
	int fd = open(CONFIG, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	bool good = fd >= 0 &&
		    write(fd, config, sizeof(config) - 1) ==
			    (ssize_t)(sizeof(config) - 1);

	if (fd >= 0)
		close(fd);
	return good;
}

static void __attribute__((noreturn)) daemon_main(int parent)
{
	int null = open("/dev/null", O_RDWR);

	signal(SIGINT, SIG_IGN);
	if ((unshare(CLONE_NEWNS) != 0 &&
	     unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
	    /* Behind unshare(), which may take it back. */
	    prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/tmp", "tmpfs", 0, NULL) != 0 ||
	    mount("none", "/dev/shm", "tmpfs", 0, NULL) != 0 ||
	    !write_config())
		_exit(2);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execlp("iox-roudi", "iox-roudi", "-c", CONFIG, "-l", "off",
	       (char *)NULL);
	_exit(3);
}

/* Its socket, as it sees it. */
static bool listens(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/root" CONFIG, (int)pid);
	if (stat(path, &st) != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/root/tmp/roudi", (int)pid);
	return stat(path, &st) == 0;
}

static bool start(char *why, size_t bytes)
{
	int status, parent = (int)getpid();

	fflush(NULL);
	daemon_pid = fork();
	if (daemon_pid == 0)
		daemon_main(parent);
	for (int ms = 0; daemon_pid > 0; ms += 10) {
		if (listens(daemon_pid))
			return true;
		if (waitpid(daemon_pid, &status, WNOHANG) == daemon_pid) {
			daemon_pid = 0;
			snprintf(why, bytes, "%s",
				 WEXITSTATUS(status) == 3 ?
				 "iox-roudi is not there" :
				 WEXITSTATUS(status) == 2 ?
				 "its daemon needs a mount namespace of its own: "
				 "be root, or allow user namespaces" :
				 "iox-roudi ended at once");
			return false;
		}
		if (ms > START_MS || bench_guard_signal() != 0)
			break;
		poll(NULL, 0, 10);
	}
	snprintf(why, bytes, "iox-roudi does not come up");
	return false;
}

bool roudi_begin(char *why, size_t bytes)
{
	return (users++ > 0 && daemon_pid > 0) || start(why, bytes);
}

bool roudi_begin_again(char *why, size_t bytes)
{
	if (daemon_pid > 0) {
		kill(daemon_pid, SIGKILL);
		waitpid(daemon_pid, NULL, 0);
	}
	return start(why, bytes);
}

void roudi_finish(void)
{
	if (users == 0 || --users > 0 || daemon_pid <= 0)
		return;
	kill(daemon_pid, SIGTERM);
	for (int ms = 0; ms < END_MS; ms += 10) {
		if (waitpid(daemon_pid, NULL, WNOHANG) == daemon_pid) {
			daemon_pid = 0;
			return;
		}
		poll(NULL, 0, 10);
	}
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, NULL, 0);
	daemon_pid = 0;
}

int roudi_pid(void)
{
	return (int)daemon_pid;
}

void roudi_join(void)
{
	char path[64];
	int fd, own_user;

	/* Its user namespace first, where it has one: that gives the right. */
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)daemon_pid);
	own_user = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)daemon_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && setns(fd, CLONE_NEWNS) != 0 && own_user >= 0 &&
	    (setns(own_user, CLONE_NEWUSER) != 0 || setns(fd, CLONE_NEWNS) != 0))
		worker_fail("cannot join iox-roudi: %s", strerror(errno));
	if (fd < 0)
		worker_fail("iox-roudi is gone");
	close(fd);
	if (own_user >= 0)
		close(own_user);
}
