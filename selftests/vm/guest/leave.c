/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * leave.c - end the guest at once, with an exit status: leave STATUS TTY
 *
 * QEMU's isa-debug-exit ends it by a write to its port, and exits with
 * 2 * status + 1.  What was printed to the serial line must have gone out first.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/io.h>
#include <termios.h>

int main(int argc, char **argv)
{
	int status = argc > 1 ? atoi(argv[1]) : 1;
	int fd = argc > 2 ? open(argv[2], O_WRONLY | O_NOCTTY) : -1;

	if (fd >= 0)
		tcdrain(fd);
	if (ioperm(0xf4, 1, 1))
		return 1;
	outb((unsigned char)(status < 0 || status > 126 ? 126 : status), 0xf4);
	return 1;
}
