/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal for a picture that is drawn again and again, on the alternate screen. The shell's screen comes back
 * however the process ends.
 */
#ifndef PORTSYNCD_CTL_SCREEN_H
#define PORTSYNCD_CTL_SCREEN_H

#include <stdbool.h>

#include "base/text.h"

/* stdout is a terminal that can do it. */
bool screen_is_there(void);
/* Signals come by screen_signal() from then on. 0 or negative errno. */
int screen_enter(void);
void screen_leave(void);

/* The size of stdout's terminal; 80 x 24 if it is not known. */
void screen_size(unsigned *columns, unsigned *lines);
/* Draws the lines of a picture, each with its newline, as many as fit. */
void screen_draw(const struct text *picture);

/* For poll(2): a key, -1 if stdin is not a terminal; and a signal. */
int screen_key_fd(void);
int screen_signal_fd(void);
/* The next key; 0: none. */
char screen_key(void);
/* The next signal that ends us; 0: none, and the picture is due again, since it may have another size. */
int screen_signal(void);

#endif
