/*
 * Bytes in tests, written as hexadecimal text: "68 65 61 64". Spaces are free; anything else that is no digit ends the
 * program.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_HEX_H
#define TESTS_SUPPORT_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Fills `out` with the bytes of the text and with zeros behind them. Returns how many bytes the text was. */
size_t hex_into(uint8_t *out, size_t size, const char *text);

#endif
