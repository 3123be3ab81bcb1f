/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/* attributes.h - what coccinelle cannot read, and need not. */
#define ZC_SLOW
#define ZC_PRINTF(a, b)
#define ZC_CRC_FAST
#define __attribute__(a)
#define _Alignas(a)
