
# Names of jobs and runs, which the program tells. The whole word is looked at: names hold colons, at
# which readline breaks words.
_greasestatus_with_names() {
    local line=${COMP_LINE:0:COMP_POINT}
    local word=${line##*[[:space:]]}
    local before=${line%"$word"} command='' previous='' each
    local -a words config names
    read -r -a words <<< "$before"
    for each in "${words[@]:1}"; do
        case $previous in
            -c | --config-file) config=(-c "$each") ;;
            --color) ;;
            *) [[ -z $command && $each != -* ]] && command=$each ;;
        esac
        previous=$each
    done
    case $command/$previous/$word in
        */-c/* | */-n/* | */--config-file/* | */--color/* | */--since/* | */--grep/* | */--user/* | */*/-*) ;;
        log/* | why/* | job/* | suggest/* | stop/*)
            mapfile -t names < <("$1" "${config[@]}" __names "$word" 2> /dev/null)
            COMPREPLY=("${names[@]#"${word%"$2"}"}") # Only $2 of the word is replaced.
            compopt +o default +o bashdefault 2> /dev/null
            return 0
            ;;
    esac
    _greasestatus "$@"
}
complete -F _greasestatus_with_names -o bashdefault -o default greasestatus
