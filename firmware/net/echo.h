/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ECHO_H
#define ECHO_H

#include "lan9118.h"
#include "udp.h"

/* Answers an ARP request (RFC 826) for, or an ICMP echo request (RFC 792) to the station `self`. */
void EchoAnswer(const EthFrame *frame, const UdpAddress *self);

#endif
