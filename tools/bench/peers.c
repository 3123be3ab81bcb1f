/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peers.c - who is compared.
 */
#include "peer.h"

const struct peer *const peers[] = {
	&peer_ring,
	&peer_zerocore,
	&peer_ck,
	&peer_iceoryx,
	&peer_cyclone,
	&peer_cyclone_shm,
	&peer_zmq,
	&peer_nng,
	&peer_pipe,
	&peer_socket,
	&peer_mq,
	&peer_futex,
};

const uint32_t peers_nr = sizeof(peers) / sizeof(peers[0]);
