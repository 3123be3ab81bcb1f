// SPDX-License-Identifier: MIT OR LGPL-2.1
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "shm.h"

#define ZC_POOL_NAME_MAX 48
#define ZC_PREFIX "zerocore."

static bool zc_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

bool zc_pool_name_valid(const char *name)
{
	size_t i;

	if (!name || !zc_alnum(name[0]))
		return false;
	for (i = 1; name[i]; i++)
		if (i >= ZC_POOL_NAME_MAX ||
		    (!zc_alnum(name[i]) && name[i] != '_' && name[i] != '.' &&
		     name[i] != '-'))
			return false;
	return true;
}

const char *zc_shm_dir(void)
{
	const char *dir = secure_getenv("ZEROCORE_DIR");

	return dir && dir[0] ? dir : "/dev/shm";
}

zc_result_t zc_shm_folder(char out[ZC_PATH_BYTES])
{
	const char *dir = zc_shm_dir();
	char *real = realpath(dir, NULL);
	zc_result_t result;
	struct stat st;

	if (!real)
		return zc_fail_errno("cannot use folder %s for pools (ZEROCORE_DIR "
				     "names another)", dir);
	if (stat(real, &st)) {
		result = zc_fail_errno("cannot look at folder %s", dir);
		free(real);
		return result;
	}
	if (strlen(real) >= ZC_PATH_BYTES || !S_ISDIR(st.st_mode)) {
		free(real);
		return zc_fail(ZC_ERROR_INVALID,
			       "%s is no folder for pools: ZEROCORE_DIR must name "
			       "one with a path below %u bytes", dir,
			       ZC_PATH_BYTES);
	}
	strcpy(out, real);
	free(real);
	return ZC_OK;
}

void zc_id_text(const u8 id[16], char out[ZC_ID_HEX])
{
	static const char digits[] = "0123456789abcdef";
	u32 i;

	for (i = 0; i < 16; i++) {
		out[2 * i] = digits[id[i] >> 4];
		out[2 * i + 1] = digits[id[i] & 15];
	}
	out[32] = '\0';
}

bool zc_shm_path(char out[ZC_SHM_PATH], const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(out, ZC_SHM_PATH, fmt, args);
	va_end(args);
	return n > 0 && n < ZC_SHM_PATH;
}

bool zc_shm_control_path(char out[ZC_SHM_PATH], const char *dir,
			 const char *name)
{
	return zc_shm_path(out, "%s/" ZC_PREFIX "%s.pool", dir, name);
}

bool zc_shm_id_path(char out[ZC_SHM_PATH], const char *dir, const u8 id[16],
		    const char *suffix)
{
	char text[ZC_ID_HEX];

	zc_id_text(id, text);
	return zc_shm_path(out, "%s/" ZC_PREFIX "%s.%s", dir, text, suffix);
}

bool zc_shm_data_path(char out[ZC_SHM_PATH], const char *dir, const u8 id[16],
		      u32 segment)
{
	char text[ZC_ID_HEX];

	zc_id_text(id, text);
	return zc_shm_path(out, "%s/" ZC_PREFIX "%s.data%u", dir, text, segment);
}

bool zc_shm_is_control(const char *file, char name[ZC_NAME_BYTES])
{
	size_t prefix = strlen(ZC_PREFIX), suffix = strlen(".pool");
	size_t bytes = strlen(file);

	if (bytes <= prefix + suffix || strncmp(file, ZC_PREFIX, prefix) ||
	    strcmp(file + bytes - suffix, ".pool") ||
	    bytes - prefix - suffix > ZC_POOL_NAME_MAX)
		return false;
	memset(name, 0, ZC_NAME_BYTES);
	memcpy(name, file + prefix, bytes - prefix - suffix);
	return zc_pool_name_valid(name);
}

static int zc_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *zc_shm_is_part(const char *file, u8 id[16])
{
	const char *hex = file + strlen(ZC_PREFIX);
	u32 i;

	if (strncmp(file, ZC_PREFIX, strlen(ZC_PREFIX)))
		return NULL;
	for (i = 0; i < 16; i++) {
		int high = zc_hex(hex[2 * i]);
		int low = high < 0 ? -1 : zc_hex(hex[2 * i + 1]);

		if (low < 0)
			return NULL;
		id[i] = (u8)(high << 4 | low);
	}
	return hex[32] == '.' ? hex + 33 : NULL;
}

bool zc_no_file(int error)
{
	return error == ENOENT || error == ELOOP || error == ENOTDIR || error == EISDIR ||
	       error == ENXIO || error == ENODEV;
}

bool zc_fd_is(int fd, u64 dev, u64 ino)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && st.st_dev == dev &&
	       st.st_ino == ino;
}

void zc_fd_close(int *fd, u64 dev, u64 ino)
{
	if (zc_fd_is(*fd, dev, ino))
		close(*fd);
	*fd = -1;
}

zc_result_t zc_shm_list(struct zc_names *names)
{
	char dir[ZC_PATH_BYTES], name[ZC_NAME_BYTES];
	zc_result_t result = zc_shm_folder(dir);
	struct dirent *e;
	DIR *d;

	if (result != ZC_OK)
		return result;
	d = opendir(dir);
	if (!d)
		return zc_fail_errno("cannot list %s", dir);
	while (result == ZC_OK && (e = readdir(d)))
		if (zc_shm_is_control(e->d_name, name))
			result = zc_names_add(names, name);
	closedir(d);
	return result;
}
