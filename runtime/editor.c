/*
 * editor.c: one line, edited on a terminal, as its bytes come. The editing is readline's or libedit's: the
 * library is loaded for the first line. What both have in common is declared in readline.h, and used here as
 * readline has it; libedit.c makes up for what libedit does otherwise.
 */
#include <dlfcn.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "core.h"
#include "readline.h"

enum {
  BURST = 65536,     /* bytes of input in one go, before others get a turn */
  LONGEST = 1 << 20, /* bytes of a line, and of what is pasted into it */
  HISTORY = 10000,   /* lines that can be recalled */
  NARROWEST = 4,     /* columns that the library is told of at least */
  MARK = sizeof NL_PASTE_END - 1,
  NOTHING = EOF - 1,
  SEARCH = 1 << 7 /* of readline's states: ^R */
};

static nl_readline rl;

static struct {
  void *shared; /* the library, as dlopen(3) gives it */
  char *line;   /* what was entered, NULL: the end */
  char *paste;
  size_t pasted, room; /* bytes of it, and how many fit */
  char key[8];         /* the bytes of a character, as far as they have come */
  size_t typed, given; /* how many, and how many of them the library has */
  jmp_buf back;        /* where a key is read */
  bool leads;          /* this library needs it */
  bool editing, hidden, done, pasting, excess;
  bool promised; /* the library has been told that there is a byte */
  nl_completer *complete;
  void *context; /* for it */
} editor;

/* ---- input */

/* What poll(2) says of descriptor 0 within so many milliseconds. */
static int look (int milliseconds) {
  struct pollfd p = {STDIN_FILENO, POLLIN, 0};
  return poll(&p, 1, milliseconds) == 1 ? p.revents : 0;
}

static bool ready (void) {
  return look(0) != 0;
}

/* One byte: what is typed ahead belongs to the next who reads, perhaps a program that an entry starts.
 * NOTHING: it was there, but ^C has emptied the terminal since. */
static int takebyte (void) {
  unsigned char c;
  ssize_t n = read(STDIN_FILENO, &c, 1);
  if (n == 1) return c;
  if (n < 0) return errno == EINTR || errno == EAGAIN ? NOTHING : EOF;
  return (look(0) & ~POLLIN) != 0 ? EOF : NOTHING;
}

static int waitbyte (void) {
  int c;
  while ((c = takebyte()) == NOTHING) (void)look(-1);
  return c;
}

bool nl_editorheld (void) {
  return editor.given < editor.typed;
}

int nl_editorbyte (void) {
  return nl_editorheld() ? (unsigned char)editor.key[editor.given++] : waitbyte();
}

static int available (void) {
  editor.promised = nl_editorheld() || ready();
  return editor.promised;
}

/* readline has no word for NOTHING, and none is needed: the line that NUL comes to is about to go. */
static int givebyte (FILE *f) {
  int c = editor.promised && !nl_editorheld() ? takebyte() : nl_editorbyte();
  (void)f;
  editor.promised = false;
  return c == NOTHING ? '\0' : c;
}

static void ding (void) {
  (void)fputc('\a', *rl.rl_outstream);
  (void)fflush(*rl.rl_outstream);
}

/* readline 8.2 jumps to where it began to read a key when a command is given up. With keys that it has put
 * aside that place can be gone. It redisplays before it jumps: then the jump is led back here. */
static void redisplay (void) {
  memcpy(rl._rl_top_level, editor.back, sizeof editor.back);
  rl.rl_redisplay();
}

static void readkey (void) {
  if (rl.rl_eof_found != NULL) *rl.rl_eof_found = 0; /* some keys leave it set, and are no end */
  if (editor.leads) *rl.rl_redisplay_function = redisplay;
  if (setjmp(editor.back) == 0) rl.rl_callback_read_char();
  else rl.rl_redisplay();
  if (editor.leads) *rl.rl_redisplay_function = rl.rl_redisplay;
}

void nl_editortake (char *line) {
  editor.line = line;
  editor.done = true;
  editor.editing = false;
  rl.rl_callback_handler_remove();
}

/* What the bytes so far are: the length of a character, 0 for the beginning of one, -1 for none. The controls
 * beyond ASCII are none: the terminal would act on them where the line is drawn. */
static int judge (const char *bytes, size_t n) {
  mbstate_t fresh = {0};
  wchar_t c;
  if (MB_CUR_MAX == 1 || bytes[0] == '\0') return 1;
  size_t length = mbrtowc(&c, bytes, n, &fresh);
  if (length == (size_t)-2) return 0;
  return length == (size_t)-1 || (c >= 0x80 && c < 0xa0) ? -1 : (int)length;
}

static void give (void) {
  do readkey();
  while (nl_editorheld() && !editor.done);
  editor.given = editor.typed = 0;
}

/* Keys are given away as whole characters: to wait for the rest of one would hold up all tasks, and on bytes
 * that are no text some commands of readline never end. */
static void add (int c) {
  if (c != EOF) editor.key[editor.typed++] = (char)c;
  int length = c != EOF ? judge(editor.key, editor.typed) : 1;
  if (length < 0 && editor.typed > 1) {
    editor.key[0] = (char)c;
    editor.typed = 1;
    length = judge(editor.key, 1);
  }
  if (length == 0 && editor.typed < sizeof editor.key) return;
  if (length > 0) {
    give();
    return;
  }
  ding();
  editor.typed = 0;
}

/* Of a paste that begins the library is not told: a command that asks for a key, a search say, would take
 * all of it, and wait for its end. Another key that begins alike is given away as it has come. */
static void takeescape (void) {
  int c = NL_PASTE_BEGIN[0];
  while (c == NL_PASTE_BEGIN[editor.typed]) {
    editor.key[editor.typed++] = (char)c;
    c = editor.typed < MARK && ready() ? takebyte() : NOTHING;
  }
  if (editor.typed == MARK) {
    editor.typed = 0;
    nl_editorpaste();
    return;
  }
  if (c >= 0) editor.key[editor.typed++] = (char)c;
  give();
}

static void takekey (void) {
  int c = takebyte();
  if (c == NOTHING) return;
  if (c == NL_PASTE_BEGIN[0] && editor.typed == 0) takeescape();
  else add(c);
}

/* ---- what is pasted comes as one text, with all of its lines */

static bool grow (void) {
  size_t room = editor.room == 0 ? BURST : 2 * editor.room;
  char *grown = room <= 2 * LONGEST ? realloc(editor.paste, room) : NULL;
  if (grown == NULL) return false;
  editor.paste = grown;
  editor.room = room;
  return true;
}

void nl_editorpaste (void) {
  editor.pasted = 0;
  editor.excess = false;
  editor.pasting = grow();
}

static int onpaste (int count, int key) {
  (void)count;
  (void)key;
  nl_editorpaste();
  return 0;
}

/* What is too long is not kept, but its end is still looked for: none of it may act as keys. */
static void store (char c) {
  if (editor.pasted == editor.room && !grow()) {
    editor.excess = true;
    memmove(editor.paste, editor.paste + editor.pasted - MARK, MARK);
    editor.pasted = MARK;
  }
  editor.paste[editor.pasted++] = c;
}

/* The length of a prompt that a line of a transcript begins with. */
static size_t promptlength (const char *line) {
  if (strncmp(line, "> ", 2) == 0) return 2;
  return strncmp(line, ">> ", 3) == 0 ? 3 : 0;
}

/* A transcript loses its prompts, and with them the lines that the program had printed. */
static void dropprompts (char *text) {
  char *to = text;
  if (promptlength(text) == 0) return;
  for (char *line = text; line != NULL;) {
    char *end = strchr(line, '\n');
    size_t skip = promptlength(line), length = end != NULL ? (size_t)(end - line) : strlen(line);
    if (skip > 0) {
      if (to != text) *to++ = '\n';
      memmove(to, line + skip, length - skip);
      to += length - skip;
    }
    line = end != NULL ? end + 1 : NULL;
  }
  *to = '\0';
}

/* Ends of lines are newlines, those at the very end are not part of it, and bytes that are no text are left
 * out, as is the one that would end it early. */
static void normalize (char *text, size_t length) {
  size_t n = 0;
  for (size_t i = 0; i < length;) {
    int bytes = judge(text + i, length - i);
    bool newline = text[i] == '\r', pair = newline && i + 1 < length && text[i + 1] == '\n';
    if (bytes > 0 && text[i] != '\0' && !pair) {
      memmove(text + n, text + i, (size_t)bytes);
      if (newline) text[n] = '\n';
      n += (size_t)bytes;
    }
    i += bytes > 0 ? (size_t)bytes : 1;
  }
  while (n > 0 && text[n - 1] == '\n') n--;
  text[n] = '\0';
}

static bool iscontrol (char c) {
  return (unsigned char)c < ' ' || c == 127;
}

/* A search takes keys: what is pasted, up to the first control. */
static void searchpaste (void) {
  for (const char *c = editor.paste; !iscontrol(*c) && !editor.done; c++) add((unsigned char)*c);
}

static bool searching (void) {
  return rl.rl_readline_state != NULL && (*rl.rl_readline_state & SEARCH) != 0;
}

static void insertpaste (void) {
  normalize(editor.paste, editor.pasted);
  dropprompts(editor.paste);
  bool fits = !editor.excess && strlen(editor.paste) + (size_t)*rl.rl_end <= LONGEST;
  if (fits && searching()) {
    searchpaste();
    return;
  }
  if (fits) (void)rl.rl_insert_text(editor.paste);
  else ding();
  rl.rl_redisplay();
}

static void endpaste (void) {
  free(editor.paste);
  editor.paste = NULL;
  editor.room = 0;
  editor.pasting = false;
}

static void takepaste (void) {
  int c = takebyte();
  if (c == NOTHING) return;
  if (c != EOF) store((char)c);
  bool ends = editor.pasted >= MARK && memcmp(editor.paste + editor.pasted - MARK, NL_PASTE_END, MARK) == 0;
  if (ends) {
    editor.pasted -= MARK;
    insertpaste();
  }
  if (ends || c == EOF) endpaste();
}

/* ---- completion */

static void replace (int from, const char *text) {
  if (rl.rl_begin_undo_group != NULL) (void)rl.rl_begin_undo_group();
  if (rl.rl_delete_text != NULL) {
    (void)rl.rl_delete_text(from, *rl.rl_point);
    *rl.rl_point = from;
    (void)rl.rl_insert_text(text);
  } else {
    (void)rl.rl_insert_text(text + (*rl.rl_point - from));
  }
  if (rl.rl_end_undo_group != NULL) (void)rl.rl_end_undo_group();
}

static int oncomplete (int count, int key) {
  char *text = NULL;
  int from = 0;
  (void)count;
  (void)key;
  if (editor.complete == NULL) return 0;
  if (!editor.complete(editor.context, rl.rl_line_buffer[0], *rl.rl_point, &from, &text)) ding();
  if (text != NULL && from >= 0 && from <= *rl.rl_point) replace(from, text);
  free(text);
  return 0;
}

/* ---- the library */

static bool find (const char *name, void *address, bool optional) {
  void *found = dlsym(editor.shared, name);
  memcpy(address, &found, sizeof found);
  return found != NULL || optional;
}

static bool findall (void) {
  bool found = true;
#define F(type, name, parameters, optional) found = find(#name, &rl.name, optional) && found;
#define V(type, name) (void)find(#name, &rl.name, true);
  NL_FUNCTIONS(F)
  NL_VARIABLES(V)
#undef F
#undef V
  return found && rl.rl_line_buffer != NULL && rl.rl_point != NULL && rl.rl_end != NULL &&
         rl.rl_outstream != NULL && rl.rl_prompt != NULL;
}

/* Without a word about the locale, terminals of today are UTF-8. */
static void setlocales (void) {
  static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  (void)setlocale(LC_CTYPE, "");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *value = getenv(names[i]);
    if (value != NULL && value[0] != '\0') return;
  }
  (void)setlocale(LC_CTYPE, "C.UTF-8");
}

static void bindkeys (const char *keys, nl_command *f) {
  nl_keymap maps[] = {rl.emacs_standard_keymap, rl.vi_insertion_keymap, rl.vi_movement_keymap};
  for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
    if (f != NULL && maps[i] != NULL) (void)rl.rl_bind_keyseq_in_map(keys, f, maps[i]);
  }
}

/* What a line was before its changes, for undo. The line, those of the history that were edited, and the one
 * that was left for them may have these in common, and readline does not know which has freed them. So no
 * line has those of another, and what that costs is some memory. */
static void forgetchanges (void) {
  nl_entry **list = rl.rl_undo_list != NULL && rl.history_list != NULL ? rl.history_list() : NULL;
  if (rl.rl_undo_list != NULL) *rl.rl_undo_list = NULL;
  for (; list != NULL && *list != NULL; list++) (*list)->changes = NULL;
  nl_entry *left = rl._rl_saved_line_for_history != NULL ? *rl._rl_saved_line_for_history : NULL;
  if (left != NULL) left->changes = NULL;
}

static nl_command onup, ondown;

static void passfor (nl_command *ours, nl_command *theirs) {
  if (rl.rl_last_func != NULL && *rl.rl_last_func == ours) *rl.rl_last_func = theirs;
}

/* Looks for a line that begins alike: readline knows by the last command whether that goes on. */
static int search (bool backward, int count, int key) {
  static const char *const names[] = {"history-search-forward", "history-search-backward"};
  forgetchanges();
  passfor(ondown, rl.rl_named_function(names[0]));
  passfor(onup, rl.rl_named_function(names[1]));
  return rl.rl_named_function(names[backward])(count, key);
}

static int onup (int count, int key) {
  return search(true, count, key);
}

static int ondown (int count, int key) {
  return search(false, count, key);
}

static int onrow (int count, int key) {
  (void)count;
  (void)key;
  return rl.rl_insert_text("\n");
}

/* Up and Down look for lines that begin alike, Meta-Return begins another row, where readline would go over
 * to vi's keys. Bound before the user's inputrc is read, which may say otherwise. */
static void bindusual (void) {
  if (rl.rl_bind_keyseq_in_map == NULL || rl.rl_named_function == NULL) return;
  bindkeys("\\e[A", onup);
  bindkeys("\\eOA", onup);
  bindkeys("\\e[B", ondown);
  bindkeys("\\eOB", ondown);
  (void)rl.rl_bind_keyseq_in_map("\\e\\C-m", onrow, rl.emacs_standard_keymap);
  (void)rl.rl_bind_keyseq_in_map("\\e\\C-j", onrow, rl.emacs_standard_keymap);
}

/* The columns of the terminal. On a single row readline divides by a third of them. */
static int measure (void) {
  int rows, columns;
  rl.rl_reset_screen_size();
  rl.rl_get_screen_size(&rows, &columns);
  if (columns >= NARROWEST || rl.rl_set_screen_size == NULL) return columns;
  rl.rl_set_screen_size(rows, NARROWEST);
  return NARROWEST;
}

#define SET(name, value)                                                                                     \
  if (rl.name != NULL) *rl.name = (value)

static void initialize (FILE *in, FILE *out) {
  SET(rl_readline_name, "netlua");
  SET(rl_instream, in);
  SET(rl_outstream, out);
  SET(rl_catch_signals, 0);
  SET(rl_catch_sigwinch, 0);
  SET(rl_change_environment, 0);
  SET(rl_getc_function, givebyte);
  SET(rl_input_available_hook, available);
  setlocales();
  bindusual();
  editor.leads = rl._rl_top_level != NULL && rl.rl_redisplay_function != NULL;
  (void)rl.rl_initialize();
  (void)measure();
  (void)rl.rl_add_defun("netlua-complete", oncomplete, '\t');
  if (rl.rl_bind_keyseq_in_map != NULL) bindkeys(NL_PASTE_BEGIN, onpaste);
  rl.using_history();
  rl.stifle_history(HISTORY);
}

const char *nl_editoropen (FILE *in, FILE *out, nl_completer *complete) {
  editor.complete = complete;
  if (editor.shared != NULL) return NULL;
  editor.shared = dlopen(NL_LINE_EDITOR, RTLD_NOW | RTLD_LOCAL);
  if (editor.shared == NULL) return dlerror();
  if (!findall()) {
    (void)dlclose(editor.shared); /* it was only tried */
    editor.shared = NULL;
    return NL_LINE_EDITOR ": not the library it should be";
  }
  if (rl.rl_gnu_readline_p == NULL) nl_standin(&rl);
  initialize(in, out);
  return NULL;
}

/* ---- a line */

bool nl_editormarks (void) {
  const char *value = rl.rl_variable_value != NULL ? rl.rl_variable_value("enable-bracketed-paste") : NULL;
  return value == NULL || strcmp(value, "on") == 0;
}

void nl_editorbegin (const char *prompt) {
  forgetchanges();
  editor.editing = true;
  editor.done = editor.hidden = editor.pasting = false;
  rl.rl_callback_handler_install(prompt, nl_editortake);
}

bool nl_editorread (void *context) {
  editor.context = context;
  for (int n = 0; n < BURST && !editor.done && ready(); n++) {
    if (editor.pasting) takepaste();
    else takekey();
  }
  return editor.done;
}

char *nl_editorline (void) {
  char *line = editor.line;
  editor.line = NULL;
  return line;
}

/* The order matters: what is under way ends, a search say, then the line is seen whole, then it goes. */
bool nl_editorabandon (void) {
  if (!editor.editing) return false;
  bool typed = *rl.rl_end > 0 || editor.pasting;
  if (editor.pasting) endpaste();
  nl_editorshow();
  rl.rl_callback_sigcleanup();
  *rl.rl_point = *rl.rl_end;
  rl.rl_redisplay();
  (void)fputs("^C\n", *rl.rl_outstream);
  forgetchanges();
  if (rl.rl_free_line_state != NULL) rl.rl_free_line_state();
  if (rl.rl_clear_pending_input != NULL) (void)rl.rl_clear_pending_input();
  rl.rl_replace_line("", 1);
  nl_editorend();
  return typed;
}

bool nl_editorvisible (void) {
  return editor.editing && !editor.hidden;
}

void nl_editorhide (void) {
  (void)rl.rl_clear_visible_line();
  (void)fflush(*rl.rl_outstream);
  editor.hidden = true;
}

void nl_editorshow (void) {
  if (!editor.editing || !editor.hidden) return;
  editor.hidden = false;
  (void)rl.rl_on_new_line();
  rl.rl_redisplay();
}

typedef struct place {
  int row, column;
} place;

/* Where the cursor is behind a text that begins at a place, as readline shows it in so many columns. */
static place behind (place p, const char *text, size_t length, int columns) {
  mbstate_t state = {0};
  for (const char *end = text + length; text < end;) {
    wchar_t c;
    size_t n = mbrtowc(&c, text, (size_t)(end - text), &state);
    if (n == 0 || n > (size_t)(end - text)) return p; /* none that can be typed */
    text += n;
    int width = c == L'\t' ? 8 - p.column % 8 : c < L' ' || c == 127 ? 2 : wcwidth(c);
    if (c == L'\n' || p.column + width > columns) p = (place){p.row + 1, 0};
    if (c != L'\n' && width > 0) p.column += width;
  }
  return p;
}

/* Some terminals break the rows anew in their new width, others cut them. So it is not known how far above
 * the cursor the line begins: no row is touched that may be above it, and some of its own may stay. */
static void redraw (int rowbefore) {
  const char *prompt = *rl.rl_display_prompt;
  int columns = measure();
  place now = behind((place){0, 0}, prompt, strlen(prompt), columns);
  now = behind(now, *rl.rl_line_buffer, (size_t)*rl.rl_point, columns);
  int up = now.row < rowbefore ? now.row : rowbefore;
  (void)fputs("\r", *rl.rl_outstream);
  if (up > 0) (void)fprintf(*rl.rl_outstream, "\033[%dA", up);
  (void)fputs("\033[J", *rl.rl_outstream);
  editor.hidden = true;
  nl_editorshow();
}

void nl_editorresize (void) {
  if (!nl_editorvisible()) (void)measure();
  else if (rl._rl_last_v_pos == NULL || rl.rl_display_prompt == NULL) rl.rl_resize_terminal();
  else redraw(*rl._rl_last_v_pos);
}

/* The cursor may be anywhere: at the beginning of a row, if a shell has written in between. */
void nl_editorredraw (void) {
  if (!nl_editorvisible()) return;
  (void)fputs("\r\033[K", *rl.rl_outstream);
  editor.hidden = true;
  nl_editorshow();
}

void nl_editorremember (const char *line) {
  (void)rl.add_history(line);
}

void nl_editorend (void) {
  if (editor.editing) rl.rl_callback_handler_remove();
  editor.editing = false;
}
