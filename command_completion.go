package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

const completionHelp = `presently completion writes a script that has your shell complete commands and flags.

  bash: echo 'source <(presently completion bash)' >> ~/.bashrc
  zsh:  echo 'source <(presently completion zsh)' >> ~/.zshrc      (after compinit)
  fish: presently completion fish > ~/.config/fish/completions/presently.fish
`

func runCompletion(_ context.Context, in invocation) error {
	shell := ""
	if len(in.args) > 0 {
		shell = in.args[0]
	}
	write, ok := map[string]func(io.Writer) error{"bash": completeBash, "zsh": completeZsh, "fish": completeFish}[shell]
	switch {
	case shell == "--help" || shell == "-h" || shell == "-help":
		return flag.ErrHelp
	case !ok || len(in.args) > 1:
		return usagef("for which shell: presently completion bash, zsh or fish")
	}
	return write(in.stdout)
}

// serveFlags are those without a command.
func serveFlags() []string {
	flags := []string{"--help", "--version"}
	for _, s := range settings {
		if s.group != clientGroup {
			flags = append(flags, "--"+s.flag())
		}
	}
	return flags
}

// completions are what may follow a command: its flags, or names.
func (c command) completions() []string {
	switch c.name {
	case "completion":
		return []string{"bash", "zsh", "fish", "--help"}
	case "help":
		return commandNames()
	}
	words := []string{"--help"}
	for _, f := range c.flags() {
		words = append(words, "--"+f)
	}
	for _, name := range c.takes {
		if flag := "--" + (setting{name: name}).flag(); !slices.Contains(words, flag) {
			words = append(words, flag)
		}
	}
	return words
}

// cases are the lines of a shell's case over the command, as format has it.
func cases(format string) string {
	var b strings.Builder
	for _, c := range commands() {
		fmt.Fprintf(&b, format, c.name, strings.Join(c.completions(), " "))
	}
	return b.String()
}

const bashScript = `# bash completion of presently
_presently() {
  local word=${COMP_WORDS[COMP_CWORD]} words
  case "${COMP_CWORD}:${COMP_WORDS[1]}" in
    1:*) words="%[1]s" ;;
%[2]s    *) words="%[3]s" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -F _presently presently
`

func completeBash(out io.Writer) error {
	first := strings.Join(append(commandNames(), serveFlags()...), " ")
	_, err := fmt.Fprintf(out, bashScript, first, cases("    *:%s) words=\"%s\" ;;\n"), strings.Join(serveFlags(), " "))
	return err
}

const zshScript = `#compdef presently
_presently() {
  local -a words_here
  if (( CURRENT == 2 )); then
    words_here=(%[1]s)
  else
    case "${words[2]}" in
%[2]s      *) words_here=(%[3]s) ;;
    esac
  fi
  compadd -- $words_here || _files
}
compdef _presently presently
`

func completeZsh(out io.Writer) error {
	first := strings.Join(append(commandNames(), serveFlags()...), " ")
	_, err := fmt.Fprintf(out, zshScript, first, cases("      %s) words_here=(%s) ;;\n"), strings.Join(serveFlags(), " "))
	return err
}

// completeFish writes what each command and flag is for, too, because fish shows it.
func completeFish(out io.Writer) error {
	var b strings.Builder
	b.WriteString("# fish completion of presently\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "complete -c presently -f -n __fish_use_subcommand -a %s -d %s\n", c.name, quoteFish(c.about))
		for _, word := range c.completions() {
			if name, isFlag := strings.CutPrefix(word, "--"); isFlag {
				fmt.Fprintf(&b, "complete -c presently -n '__fish_seen_subcommand_from %s' -l %s\n", c.name, name)
			} else {
				fmt.Fprintf(&b, "complete -c presently -f -n '__fish_seen_subcommand_from %s' -a %s\n", c.name, word)
			}
		}
	}
	for _, s := range settings {
		if s.group != clientGroup {
			fmt.Fprintf(&b, "complete -c presently -n __fish_use_subcommand -l %s -d %s\n", s.flag(), quoteFish(s.help))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func quoteFish(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
