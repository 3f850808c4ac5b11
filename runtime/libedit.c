/*
 * libedit.c: what stands in for functions of readline's that libedit lacks, or has by name alone. libedit
 * does not say where the line is on the screen, and not always what is on it: both is kept track of here.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "readline.h"

enum {
  KEY = 100,          /* milliseconds within which the rest of a key follows its escape */
  LONGEST = 1 << 13,  /* bytes of a line */
  ROOM = 2 * LONGEST, /* for a line: what is killed may be as long, and is yanked by one key */
  ESCAPE = '\033',
  YANK = 'Y' - '@',
  DELETE = 127,
  MARK = sizeof NL_PASTE_BEGIN - 1
};

static nl_readline *rl;
static nl_readline theirs; /* as libedit has it */

static struct {
  bool begun;       /* a line is edited */
  bool reading;     /* libedit takes a key */
  bool first;       /* of it nothing yet */
  bool escaped;     /* the last of it was an escape */
  bool none;        /* there is no key */
  bool full;        /* the line grows no more */
  bool ended;       /* the input has */
  char ahead[MARK]; /* bytes that were looked at, and are libedit's */
  size_t held, given;
  struct termios modes; /* of the terminal, before the line */
} edit;

/* ---- keys */

static bool follows (int milliseconds) {
  struct pollfd p = {STDIN_FILENO, POLLIN, 0};
  return nl_editorheld() || poll(&p, 1, milliseconds) == 1;
}

/* Whether a paste begins with this escape. */
static bool ispaste (void) {
  edit.held = edit.given = 0;
  while (edit.held < MARK - 1 && follows(KEY)) {
    int byte = nl_editorbyte();
    if (byte == EOF) return false;
    edit.ahead[edit.held++] = (char)byte;
    if ((char)byte != NL_PASTE_BEGIN[edit.held]) return false;
  }
  if (edit.held < MARK - 1) return false;
  edit.held = 0;
  return true;
}

/* EOF if an escape was the whole key. Commands that ask for more of it wait here, where no other task has a
 * turn; if a signal comes meanwhile, an escape ends them. */
static int takebyte (void) {
  if (edit.given < edit.held) return (unsigned char)edit.ahead[edit.given++];
  if (!follows(edit.escaped ? KEY : -1)) return edit.escaped ? EOF : ESCAPE;
  int byte = nl_editorbyte();
  edit.ended = byte == EOF;
  return byte;
}

static int ding (void) {
  (void)fputc('\a', *rl->rl_outstream);
  return fflush(*rl->rl_outstream);
}

/* The bytes of one; EOF if they are none. */
static int decode (int byte) {
  mbstate_t state = {0};
  wchar_t c = 0;
  while (byte != EOF) {
    char narrow = (char)byte;
    size_t n = mbrtowc(&c, &narrow, 1, &state);
    if (n != (size_t)-2) return n == (size_t)-1 ? EOF : (int)c;
    byte = takebyte();
  }
  return EOF;
}

static bool refused (int c) {
  if (!edit.full || (c < ' ' && c != YANK) || c == DELETE) return false;
  (void)ding();
  return true;
}

/* libedit takes what this gives for a character, not a byte. EOF: there is no key, or no more of it, where a
 * command that asked for more would end the line as ^D does. */
static int takecharacter (FILE *f) {
  int c = edit.none ? EOF : decode(takebyte());
  (void)f;
  while (c == EOF && !edit.first && !edit.escaped && !edit.ended) c = decode(takebyte());
  if (edit.first && (c == EOF || refused(c))) return EOF;
  if (edit.first && c == ESCAPE && ispaste()) {
    nl_editorpaste();
    return EOF;
  }
  edit.first = false;
  edit.escaped = c == ESCAPE;
  return c;
}

/* Of a line that is empty libedit says nothing, also when it just became so. */
static void takekey (void) {
  edit.full = *rl->rl_end >= LONGEST;
  *rl->rl_point = *rl->rl_end = 0;
  edit.escaped = false;
  edit.first = edit.reading = true;
  theirs.rl_callback_read_char();
  edit.reading = false;
}

static void take (char *line) {
  if (line == NULL) (void)fputs("\n", *rl->rl_outstream);
  nl_editortake(line);
}

static void takekeys (void) {
  do takekey();
  while (edit.begun && edit.given < edit.held);
  if (edit.begun && edit.ended) take(NULL);
}

/* ---- the screen */

typedef struct place {
  int row, column;
} place;

static int widthof (wchar_t c, place at, int columns) {
  if (c == '\n') return columns - at.column;
  if (c == '\t') return 8 - at.column % 8;
  if (c < ' ' || c == DELETE) return 2;
  int width = wcwidth(c);
  return width > 0 ? width : 0;
}

/* Where the text before a byte of the line ends, seen from the beginning of the prompt. */
static place placeof (int point) {
  const char *text = *rl->rl_line_buffer, *end = text + point;
  mbstate_t state = {0};
  place at = {0, (int)strlen(*rl->rl_prompt)};
  int rows, columns;
  rl->rl_get_screen_size(&rows, &columns);
  while (text < end) {
    wchar_t c;
    size_t n = mbrtowc(&c, text, (size_t)(end - text), &state);
    if (n == 0 || n > (size_t)(end - text)) break;
    int width = widthof(c, at, columns);
    if (at.column + width > columns) at = (place){at.row + 1, 0};
    at.column += width;
    if (at.column >= columns) at = (place){at.row + 1, 0};
    text += n;
  }
  return at;
}

static int erase (void) {
  int row = placeof(*rl->rl_point).row;
  if (row > 0) (void)fprintf(*rl->rl_outstream, "\033[%dA", row);
  (void)fputs("\r\033[J", *rl->rl_outstream);
  return 0;
}

/* For rl_on_new_line. */
static int draw (void) {
  (void)rl->rl_forced_update_display();
  return 0;
}

/* For rl_redisplay: what changes the line has drawn it. The function of libedit's presses a key. */
static void redisplay (void) {}

/* For rl_callback_sigcleanup, as the cursor cannot be moved in the line. */
static void gotoend (void) {
  place from = placeof(*rl->rl_point), to = placeof(*rl->rl_end);
  if (to.row > from.row) (void)fprintf(*rl->rl_outstream, "\033[%dB", to.row - from.row);
  (void)fputs("\r", *rl->rl_outstream);
  if (to.column > 0) (void)fprintf(*rl->rl_outstream, "\033[%dC", to.column);
}

static void resize (void) {
  (void)erase();
  theirs.rl_resize_terminal();
  (void)draw();
}

/* ---- the line */

/* What is on the line libedit tells after a key, for which no key will do. */
static int insert (const char *text) {
  if (strlen(text) + (size_t)*rl->rl_end > LONGEST) return ding();
  (void)erase();
  int n = theirs.rl_insert_text(text);
  (void)draw();
  edit.none = true;
  if (!edit.reading) takekey();
  edit.none = false;
  return n;
}

static void install (const char *prompt, nl_taker *f) {
  (void)f; /* it is the one that `take` calls */
  (void)fputs(NL_PASTE_ON, *rl->rl_outstream);
  (void)tcgetattr(STDIN_FILENO, &edit.modes);
  theirs.rl_callback_handler_install(prompt, take);
  *rl->rl_point = *rl->rl_end = 0;
  edit.begun = true;
}

/* libedit leaves the terminal as it was at the start. */
static void uninstall (void) {
  edit.begun = false;
  theirs.rl_callback_handler_remove();
  (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &edit.modes);
  (void)fputs(NL_PASTE_OFF, *rl->rl_outstream);
  (void)fflush(*rl->rl_outstream);
}

static int remember (const char *line) {
  return strlen(line) <= LONGEST ? theirs.add_history(line) : 0;
}

/* ---- the library */

/* When libedit's copy of the line grows it may move, but libedit goes on writing where it was. So it grows
 * here to the most that is allowed: it holds all up to the first NUL, which comes to stand far behind every
 * line. */
static void reserve (void) {
  char *text = malloc(ROOM + 1);
  if (text == NULL) return;
  memset(text, ' ', ROOM);
  text[ROOM] = '\0';
  for (int i = 0; i < 4; i++) (void)theirs.rl_insert_text(text); /* the fourth makes it copy three */
  rl->rl_replace_line(text, 1);
  free(text);
}

/* The search that libedit has on ^R lets no other task have a turn. The user's own keys come last. */
static int initialize (void) {
  if (rl->rl_getc_function != NULL) *rl->rl_getc_function = takecharacter;
  int result = theirs.rl_initialize();
  reserve();
  (void)rl->rl_parse_and_bind("bind ^R ed-search-prev-history");
  (void)rl->rl_read_init_file(NULL);
  return result;
}

void nl_standin (nl_readline *libedit) {
  rl = libedit;
  theirs = *libedit;
  rl->rl_initialize = initialize;
  rl->rl_callback_handler_install = install;
  rl->rl_callback_handler_remove = uninstall;
  rl->rl_callback_read_char = takekeys;
  rl->rl_callback_sigcleanup = gotoend;
  rl->rl_readline_state = NULL; /* has another type */
  rl->rl_insert_text = insert;
  rl->rl_delete_text = NULL;
  rl->rl_clear_visible_line = erase;
  rl->rl_on_new_line = draw;
  rl->rl_redisplay = redisplay;
  rl->rl_resize_terminal = resize;
  rl->rl_reset_screen_size = theirs.rl_resize_terminal;
  rl->rl_set_screen_size = NULL; /* not needed */
  rl->rl_undo_list = NULL;       /* nor this */
  rl->add_history = remember;
}
