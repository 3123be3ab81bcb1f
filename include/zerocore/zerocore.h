/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * zerocore.h - brings all public headers.
 */
#ifndef ZEROCORE_ZEROCORE_H
#define ZEROCORE_ZEROCORE_H

#include <zerocore/base.h>
#include <zerocore/cleaner.h>
#include <zerocore/event.h>
#include <zerocore/guard.h>
#include <zerocore/hooks.h>
#include <zerocore/inspect.h>
#include <zerocore/log.h>
#include <zerocore/message.h>
#include <zerocore/pool.h>
#include <zerocore/reader.h>
#include <zerocore/strategy.h>
#include <zerocore/type.h>
#include <zerocore/typed.h>
#include <zerocore/writer.h>
#include <zerocore/zora.h>

#endif /* ZEROCORE_ZEROCORE_H */
