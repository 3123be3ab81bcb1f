/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * top_screen.c - zerocore top on a terminal, by ncurses.
 *
 * Signals are let in only while it waits, so that the screen is always left in order:
 * what ends it sets a flag, a change of size is a key to ncurses.
 */
#include <curses.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "top.h"

#define ROWS_MIN 10
#define COLUMNS_MIN 40
#define MAP_ROWS_MAX 8
/* Lines that are no map: above it, its legend, the keys, and some of the tables. */
#define ROWS_BESIDE_MAP 14
/* A key that can be read and does not come: so often, and there is no terminal. */
#define DRY_MAX 3

enum colour { COLOUR_GOOD = 1, COLOUR_WARN, COLOUR_BAD, COLOUR_CLEANING };

struct screen {
	struct top *top;
	struct frame frame;
	bool help;
	bool keys;		/* somebody may type */
	bool terminal;		/* at a terminal */
	int dry;
	int first;		/* line of the tables that is on top */
	int left;		/* column that is leftmost */
	int page;		/* lines of the tables that fit */
};

static volatile sig_atomic_t hung_up;

static void on_hang_up(int number)
{
	hung_up = number;
}

/* --- drawing -------------------------------------------------------------------- */

static chtype colour(enum colour which)
{
	return has_colors() ? (chtype)COLOR_PAIR(which) : 0;
}

static chtype attributes(enum look look)
{
	switch (look) {
	case LOOK_TITLE:
		return A_BOLD;
	case LOOK_HEAD:
		return A_REVERSE;
	case LOOK_GOOD:
		return colour(COLOUR_GOOD);
	case LOOK_WARN:
		return colour(COLOUR_WARN);
	case LOOK_BAD:
		return colour(COLOUR_BAD) | A_BOLD;
	case LOOK_DIM:
	case LOOK_LEGEND:
		return A_DIM;
	default:
		return A_NORMAL;
	}
}

static chtype map_attributes(char letter)
{
	switch (letter) {
	case '#':
		return colour(COLOUR_GOOD);
	case 'c':
		return colour(COLOUR_WARN);
	case '~':
		return colour(COLOUR_CLEANING);
	case '!':
		return colour(COLOUR_BAD) | A_BOLD;
	case MAP_MOSTLY_FREE:
		return A_NORMAL;
	default:
		return A_DIM;
	}
}

static bool alone(const char *text, size_t i)
{
	return text[i] != ' ' && (!i || text[i - 1] == ' ') && text[i + 1] == ' ';
}

static void draw_line(int y, const struct frame_line *line, int left, int columns)
{
	size_t length = strlen(line->text), i;
	const char *text = line->text;

	move(y, 0);
	if (line->look == LOOK_MAP || line->look == LOOK_LEGEND) {
		for (i = 0; i < length && (int)i < columns; i++)
			addch((chtype)(unsigned char)text[i] |
			      (line->look == LOOK_MAP || alone(text, i) ?
				       map_attributes(text[i]) :
				       attributes(line->look)));
		return;
	}
	attrset((attr_t)attributes(line->look));
	addnstr(text, line->frozen < columns ? line->frozen : columns);
	left += line->frozen;
	if ((size_t)left < length && line->frozen < columns)
		addnstr(text + left, columns - line->frozen);
	attrset(A_NORMAL);
}

static const char *const help_lines[] = {
	"q         quit",
	"p, space  stop and go on",
	"s         sort by index, rate, lag, memory, name",
	"+ -       longer, shorter interval",
	"arrows    scroll the tables; page up and down, home",
	"h, ?      this page; any key leaves it",
	"^L        draw all of it anew",
	"",
	"map       . free  : mostly free  c claimed by a writer  # committed",
	"          ~ being cleaned  ! of a dead writer, still held  ? not seen",
	"pressure  low, high: a quarter, an eighth is free; critical: 1/32, or a writer waits",
	"WAITS FOR a size: of memory; reader N: it is at the lag limit",
};

static void draw_help(int rows, int columns)
{
	size_t i;

	for (i = 0; i < sizeof(help_lines) / sizeof(help_lines[0]); i++)
		if ((int)i < rows)
			mvaddnstr((int)i, 0, help_lines[i], columns);
}

static void draw_keys(int y, int columns)
{
	static const char keys[] =
		" q quit  p pause  s sort  +/- interval  arrows scroll  h help ";

	attrset(A_REVERSE);
	mvaddnstr(y, 0, keys, columns - 1);
	attrset(A_NORMAL);
}

static void clamp(struct screen *s, int page)
{
	int lines = (int)(s->frame.nr - s->frame.fixed);

	s->page = page > 1 ? page : 1;
	if (s->first > lines - s->page)
		s->first = lines - s->page;
	if (s->first < 0)
		s->first = 0;
	if (s->left < 0)
		s->left = 0;
	if (s->left > FRAME_WIDTH - COLUMNS_MIN)
		s->left = FRAME_WIDTH - COLUMNS_MIN;
}

/* As many slices as there is room for. */
static uint32_t map_cells(uint32_t *width)
{
	int rows = (LINES - ROWS_BESIDE_MAP) / 2;

	*width = COLS > FRAME_WIDTH - 1 ? FRAME_WIDTH - 1 : (uint32_t)COLS;
	if (LINES < ROWS_MIN || COLS < COLUMNS_MIN)
		return 1;
	if (rows > MAP_ROWS_MAX)
		rows = MAP_ROWS_MAX;
	return *width * (uint32_t)(rows > 1 ? rows : 1);
}

static zc_result_t draw(struct screen *s)
{
	struct top *top = s->top;
	uint32_t cells = map_cells(&top->frame.map_width);
	zc_result_t result = top_map(top, cells);
	int y, line;

	if (result)
		return result;
	if (!frame_build(&s->frame, top->now, &top->frame))
		return ZC_ERROR_NO_MEMORY;
	erase();
	if (LINES < ROWS_MIN || COLS < COLUMNS_MIN) {
		mvaddnstr(0, 0, "the terminal is too small", COLS);
		refresh();
		return ZC_OK;
	}
	clamp(s, LINES - 1 - (int)s->frame.fixed);
	if (s->help) {
		draw_help(LINES - 1, COLS);
	} else {
		for (y = 0; y < (int)s->frame.fixed && y < LINES - 1; y++)
			draw_line(y, &s->frame.line[y], 0, COLS);
		for (line = y + s->first;
		     y < LINES - 1 && line < (int)s->frame.nr; y++, line++)
			draw_line(y, &s->frame.line[line], s->left, COLS);
	}
	draw_keys(LINES - 1, COLS);
	refresh();
	return ZC_OK;
}

/* --- keys -------------------------------------------------------------------------- */

static void change_interval(struct top *top, bool longer)
{
	static const uint64_t steps_ms[] = { 10,   20,	 50,   100,  200,
					     500,  1000, 2000, 5000, 10000,
					     30000, 60000 };
	size_t nr = sizeof(steps_ms) / sizeof(steps_ms[0]), i;
	uint64_t ms = top->frame.interval_ns / 1000000, next = ms;

	for (i = 0; i < nr; i++) {
		if (longer && steps_ms[i] > ms) {
			next = steps_ms[i];
			break;
		}
		if (!longer && steps_ms[i] < ms)
			next = steps_ms[i];
	}
	if (next != ms)
		top->frame.interval_ns = next * 1000000;
	top->due_ns = top->now->time_ns + top->frame.interval_ns;
}

/* false: the end is wanted. */
static bool on_key(struct screen *s, int key)
{
	struct top *top = s->top;

	if (key == KEY_RESIZE)
		return true;
	if (s->help && key != 'q' && key != 'Q' && key != '\f') {
		s->help = false;
		return true;
	}
	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 'p':
	case ' ':
		top->frame.paused = !top->frame.paused;
		break;
	case 's':
		top->frame.sort = (enum frame_sort)(((int)top->frame.sort + 1) %
						    SORTS);
		break;
	case '+':
	case '=':
		change_interval(top, true);
		break;
	case '-':
		change_interval(top, false);
		break;
	case '\f':
		clearok(curscr, TRUE);
		break;
	case 'h':
	case '?':
		s->help = true;
		break;
	case KEY_UP:
		s->first--;
		break;
	case KEY_DOWN:
		s->first++;
		break;
	case KEY_PPAGE:
		s->first -= s->page;
		break;
	case KEY_NPAGE:
		s->first += s->page;
		break;
	case KEY_HOME:
		s->first = 0;
		s->left = 0;
		break;
	case KEY_LEFT:
		s->left -= 8;
		break;
	case KEY_RIGHT:
		s->left += 8;
		break;
	default:
		break;
	}
	return true;
}

/* Sleeps until a key, a signal or the next frame. */
static void wait_for_key(struct screen *s)
{
	struct pollfd in = { .fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN };
	uint64_t now = zc_timestamp(), left = 0;
	struct timespec ts;

	if (s->top->due_ns > now)
		left = s->top->due_ns - now;
	ts.tv_sec = (time_t)(left / 1000000000ULL);
	ts.tv_nsec = (long)(left % 1000000000ULL);
	/* Stopped, only a key goes on. */
	if (ppoll(&in, 1, s->top->frame.paused ? NULL : &ts, &s->top->mask) <= 0)
		return;
	if (s->terminal && in.revents & (POLLHUP | POLLERR))
		hung_up = SIGHUP;
	/* Begins anew with each key that does come. */
	if (in.revents && ++s->dry > DRY_MAX)
		s->keys = false;
}

/* false: the end is wanted. */
static bool take_keys(struct screen *s, bool *any)
{
	int key;

	*any = false;
	while ((key = getch()) != ERR) {
		*any = true;
		s->dry = 0;
		if (!on_key(s, key))
			return false;
	}
	return true;
}

/* --- the screen -------------------------------------------------------------------- */

static bool ended(const struct screen *s)
{
	/* Stopped, and nobody there who could let it go on. */
	return cli_stopped() || hung_up || (!s->keys && s->top->frame.paused);
}

/* Until somebody asks for the end, or the pool is gone: *@gone. */
static zc_result_t watch(struct screen *s, bool *gone)
{
	struct top *top = s->top;
	zc_result_t result = ZC_OK;
	uint64_t seen = 0;
	uint32_t width;
	bool any;

	while (!ended(s)) {
		if (!top->frame.paused && zc_timestamp() >= top->due_ns) {
			if (top->count && seen == top->count)
				break;
			result = top_read(top, map_cells(&width));
			top->due_ns = top->now->time_ns + top->frame.interval_ns;
			*gone = !result && top->now->load.removed;
			if (!result && !*gone)
				result = draw(s);
			if (result || *gone)
				break;
			seen++;
		}
		wait_for_key(s);
		if (!take_keys(s, &any))
			break;
		if (any)
			result = draw(s);
		if (result)
			break;
	}
	return result;
}

static void colours(void)
{
	if (!has_colors())
		return;
	start_color();
	use_default_colors();
	init_pair(COLOUR_GOOD, COLOR_GREEN, -1);
	init_pair(COLOUR_WARN, COLOR_YELLOW, -1);
	init_pair(COLOUR_BAD, COLOR_RED, -1);
	init_pair(COLOUR_CLEANING, COLOR_CYAN, -1);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_hang_up }, old;
	const int numbers[] = { SIGHUP, SIGQUIT };
	sigset_t set;
	size_t i;

	sigemptyset(&action.sa_mask);
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* nohup is obeyed. */
		if (!sigaction(numbers[i], NULL, &old) &&
		    old.sa_handler == SIG_IGN)
			continue;
		sigaction(numbers[i], &action, NULL);
		sigaddset(&set, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void top_screen_leave(void)
{
	if (stdscr && !isendwin())
		endwin();
}

int top_screen(struct top *top)
{
	struct screen s = { .top = top, .keys = true,
			    .terminal = isatty(STDIN_FILENO) };
	const char *term = getenv("TERM");
	bool gone = false;
	zc_result_t result;
	SCREEN *screen;

	/* For lines and letters; numbers stay as they are. */
	setlocale(LC_CTYPE, "");
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return cli_error("no screen on a terminal \"%s\": set TERM, or take "
				 "--once", term ? term : "");
	catch_signals();
	colours();
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	result = watch(&s, &gone);
	endwin();
	delscreen(screen);
	frame_free(&s.frame);
	if (result == ZC_ERROR_NO_MEMORY)
		return cli_error("no memory for a frame");
	return result || gone ? top_failed(top, result) : CLI_OK;
}
