/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * atomic.h - the only ways to touch shared memory.
 *
 * The memory order is in the name.  In the kernel they are READ_ONCE, WRITE_ONCE
 * and smp_*; here the compiler's __atomic builtins.  Whoever uses one of the
 * ordered forms says what it orders and names its partner by a tag, which
 * Documentation/memory-model.rst explains.
 */
#ifndef ZC_CORE_ATOMIC_H
#define ZC_CORE_ATOMIC_H

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/prefetch.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>

#define zc_load_relaxed(p)		READ_ONCE(*(p))
#define zc_load_acquire(p)		smp_load_acquire(p)
#define zc_store_relaxed(p, v)		WRITE_ONCE(*(p), (v))
#define zc_store_release(p, v)		smp_store_release((p), (v))
#define zc_fence_full()			smp_mb()
#define zc_fence_compiler()		barrier()
#define zc_fence_store()		smp_wmb()
#define zc_fence_after_cas()		smp_mb__after_atomic()
#define zc_likely(x)			likely(x)
#define zc_unlikely(x)			unlikely(x)
#define zc_prefetch(p)			prefetch(p)
#define zc_pause()			cpu_relax()
/* In loops that somebody's garbage can make long. */
#define zc_relax()			cond_resched()
/* In those that a caller may leave: it is being killed. */
#define zc_killed()			fatal_signal_pending(current)

static inline bool zc_cas64(u64 *p, u64 *expected, u64 desired)
{
	return try_cmpxchg(p, expected, desired);
}

static inline bool zc_cas32(u32 *p, u32 *expected, u32 desired)
{
	return try_cmpxchg(p, expected, desired);
}

static inline void zc_add64(u64 *p, u64 v)
{
	atomic64_add(v, (atomic64_t *)p);
}

static inline u64 zc_fetch_add64(u64 *p, u64 v)
{
	return atomic64_fetch_add(v, (atomic64_t *)p);
}

static inline u64 zc_exchange64(u64 *p, u64 v)
{
	return xchg(p, v);
}

static inline u32 zc_exchange32(u32 *p, u32 v)
{
	return xchg(p, v);
}

static inline void zc_or64(u64 *p, u64 v)
{
	atomic64_or(v, (atomic64_t *)p);
}

static inline void zc_and64(u64 *p, u64 v)
{
	atomic64_and(v, (atomic64_t *)p);
}

static inline u32 zc_fetch_add32(u32 *p, u32 v)
{
	return atomic_fetch_add(v, (atomic_t *)p);
}
#else /* user space */
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __u64 u64;
typedef __u32 u32;
typedef __u8 u8;

#define zc_load_relaxed(p)		__atomic_load_n((p), __ATOMIC_RELAXED)
#define zc_load_acquire(p)		__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define zc_store_relaxed(p, v)		__atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define zc_store_release(p, v)		__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define zc_likely(x)			__builtin_expect(!!(x), 1)
#define zc_unlikely(x)			__builtin_expect(!!(x), 0)
#define zc_prefetch(p)			__builtin_prefetch(p)
#define zc_relax()			((void)0)
#define zc_killed()			false

/*
 * A full fence.  On x86-64 a locked read-modify-write of the stack's own line
 * is 2 ns where mfence, which clang makes of a C11 fence, is 16.
 */
static inline void zc_fence_full(void)
{
#if defined(ZC_TSAN)
	/* TSan does not understand fences; a read-modify-write it does. */
	static u64 zc_tsan_fence;

	__atomic_fetch_add(&zc_tsan_fence, 1, __ATOMIC_SEQ_CST);
#elif defined(__x86_64__)
	__asm__ __volatile__("lock; orl $0, -4(%%rsp)" ::: "memory", "cc");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* A full fence right after a CAS that succeeded, which on x86-64 is one. */
static inline void zc_fence_after_cas(void)
{
#if defined(__x86_64__)
	__asm__ __volatile__("" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline void zc_fence_compiler(void)
{
	__asm__ __volatile__("" ::: "memory");
}

/* Stores before stores. */
static inline void zc_fence_store(void)
{
#if defined(ZC_TSAN)
	zc_fence_full();
#elif defined(__x86_64__)
	zc_fence_compiler();
#else
	__atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

/* In a spin loop: the other hardware thread, and the power, may have it. */
static inline void zc_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

static inline bool zc_cas64(u64 *p, u64 *expected, u64 desired)
{
	return __atomic_compare_exchange_n(p, expected, desired, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline bool zc_cas32(u32 *p, u32 *expected, u32 desired)
{
	return __atomic_compare_exchange_n(p, expected, desired, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline void zc_add64(u64 *p, u64 v)
{
	__atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

static inline u64 zc_fetch_add64(u64 *p, u64 v)
{
	return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);
}

static inline u32 zc_exchange32(u32 *p, u32 v)
{
	return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}

static inline u64 zc_exchange64(u64 *p, u64 v)
{
	return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}

static inline void zc_or64(u64 *p, u64 v)
{
	__atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);
}

static inline void zc_and64(u64 *p, u64 v)
{
	__atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);
}

static inline u32 zc_fetch_add32(u32 *p, u32 v)
{
	return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);
}
#endif /* __KERNEL__ */

#endif /* ZC_CORE_ATOMIC_H */
