# Prints what zsh offers at the end of a command line, a match a line.
# usage: zsh -f zsh_matches.zsh DIRECTORY-OF-COMPLETIONS "command line"
#
# Completion works in the line editor alone, so a second zsh has one on a terminal of its own. There
# `compadd`, through which all matches go, writes them down.
zmodload zsh/zpty
found=$(mktemp)
zpty shell zsh -f -i
# One line, so that the line editor has nothing to wrap.
() {
    print -r -- "fpath=(${(q)1} \$fpath)"
    print -r -- 'autoload -Uz compinit && compinit -u -D'
    print -r -- 'compadd() { local -a hits; builtin compadd -A hits "$@"; print -rl -- $hits >> '"${(q)found}"'; builtin compadd "$@" }'
    print -r -- 'finish() { zle complete-word; exit }; zle -N finish'
    print -r -- 'show() { BUFFER='"${(q)2}"'; CURSOR=$#BUFFER; zle complete-word; exit }; zle -N show; zle -N zle-line-init show'
} "$@" > $found.rc
zpty -w shell "source ${(q)found}.rc"
while zpty -r shell; do :; done > /dev/null
sort -u $found
rm -f $found $found.rc
