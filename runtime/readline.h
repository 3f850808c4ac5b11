/*
 * readline.h: what readline and libedit have in common, by name and type, so that the headers of neither are
 * needed; what editor.c and libedit.c are to each other; and what the terminal is told about pastes.
 */
#ifndef READLINE_H
#define READLINE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>

/* Bracketed paste: asked for, no more wanted, and what stands around one. */
#define NL_PASTE_ON "\033[?2004h"
#define NL_PASTE_OFF "\033[?2004l"
#define NL_PASTE_BEGIN "\033[200~"
#define NL_PASTE_END "\033[201~"

typedef int nl_command (int count, int key);
typedef void nl_taker (char *line);
typedef int nl_hook (void);
typedef int nl_getter (FILE *f);
typedef void nl_drawer (void);
typedef void *nl_keymap;

typedef struct nl_entry { /* of the history */
  char *line, *time;
  void *changes;
} nl_entry;

/* Result, name, parameters, and whether libedit may lack it. */
#define NL_FUNCTIONS(F)                                                                                      \
  F(int, rl_initialize, (void), false)                                                                       \
  F(void, rl_callback_handler_install, (const char *prompt, nl_taker *f), false)                             \
  F(void, rl_callback_read_char, (void), false)                                                              \
  F(void, rl_callback_handler_remove, (void), false)                                                         \
  F(void, rl_callback_sigcleanup, (void), true)                                                              \
  F(void, rl_free_line_state, (void), true)                                                                  \
  F(int, rl_clear_pending_input, (void), true)                                                               \
  F(void, rl_replace_line, (const char *text, int clearundo), false)                                         \
  F(int, rl_insert_text, (const char *text), false)                                                          \
  F(int, rl_delete_text, (int from, int to), true)                                                           \
  F(int, rl_begin_undo_group, (void), true)                                                                  \
  F(int, rl_end_undo_group, (void), true)                                                                    \
  F(void, rl_redisplay, (void), false)                                                                       \
  F(int, rl_forced_update_display, (void), false)                                                            \
  F(int, rl_on_new_line, (void), false)                                                                      \
  F(int, rl_clear_visible_line, (void), true)                                                                \
  F(void, rl_resize_terminal, (void), false)                                                                 \
  F(void, rl_reset_screen_size, (void), true)                                                                \
  F(void, rl_get_screen_size, (int *rows, int *columns), false)                                              \
  F(void, rl_set_screen_size, (int rows, int columns), true)                                                 \
  F(int, rl_parse_and_bind, (const char *line), false)                                                       \
  F(char *, rl_variable_value, (const char *name), true)                                                     \
  F(int, rl_read_init_file, (const char *name), false)                                                       \
  F(int, rl_add_defun, (const char *name, nl_command *f, int key), false)                                    \
  F(int, rl_bind_keyseq_in_map, (const char *keys, nl_command *f, nl_keymap map), true)                      \
  F(nl_command *, rl_named_function, (const char *name), true)                                               \
  F(void, using_history, (void), false)                                                                      \
  F(void, stifle_history, (int most), false)                                                                 \
  F(nl_entry **, history_list, (void), true)                                                                 \
  F(int, add_history, (const char *line), false)

/* Type and name. */
#define NL_VARIABLES(V)                                                                                      \
  V(int, rl_gnu_readline_p)                                                                                  \
  V(const char *, rl_readline_name)                                                                          \
  V(char *, rl_prompt)                                                                                       \
  V(char *, rl_display_prompt)                                                                               \
  V(char *, rl_line_buffer)                                                                                  \
  V(int, rl_point)                                                                                           \
  V(int, rl_end)                                                                                             \
  V(int, rl_eof_found)                                                                                       \
  V(unsigned long, rl_readline_state)                                                                        \
  V(FILE *, rl_instream)                                                                                     \
  V(FILE *, rl_outstream)                                                                                    \
  V(int, rl_catch_signals)                                                                                   \
  V(int, rl_catch_sigwinch)                                                                                  \
  V(int, rl_change_environment)                                                                              \
  V(nl_hook *, rl_input_available_hook)                                                                      \
  V(nl_getter *, rl_getc_function)                                                                           \
  V(nl_drawer *, rl_redisplay_function)                                                                      \
  V(jmp_buf, _rl_top_level)                                                                                  \
  V(int, _rl_last_v_pos)                                                                                     \
  V(void *, rl_undo_list)                                                                                    \
  V(nl_entry *, _rl_saved_line_for_history)                                                                  \
  V(nl_command *, rl_last_func)                                                                              \
  V(nl_keymap, emacs_standard_keymap)                                                                        \
  V(nl_keymap, vi_insertion_keymap)                                                                          \
  V(nl_keymap, vi_movement_keymap)

#define F(type, name, parameters, optional) type(*name) parameters;
#define V(type, name) type *name;
typedef struct nl_readline {
  NL_FUNCTIONS(F)
  NL_VARIABLES(V)
} nl_readline; /* NULL: this library has none of that name */
#undef F
#undef V

/* editor.c */
int nl_editorbyte (void);        /* the next that was typed, or EOF */
bool nl_editorheld (void);       /* it is there */
void nl_editortake (char *line); /* has been entered, malloc'ed; NULL: the end of the input */
void nl_editorpaste (void);      /* what comes now is pasted */

/* libedit.c: puts functions in the place of those that libedit has otherwise, or has not */
void nl_standin (nl_readline *libedit);

#endif
