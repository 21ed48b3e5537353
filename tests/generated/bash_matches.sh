# Prints what bash offers for the last of the words, a match a line.
# usage: bash --norc bash_matches.sh FILE-OF-COMPLETIONS WORD...
compopt() { :; } # works only while a person completes
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
read -r _ _ function _ <<<"$(complete -p "$1" | grep -o -- '-F [^ ]* ' | sed 's/^/x /')"
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
