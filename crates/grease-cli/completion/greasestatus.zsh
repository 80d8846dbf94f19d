# Names of jobs and runs, which the program tells.
_greasestatus_names() {
    local -a line names config
    line=(${(z)BUFFER})
    local at=${line[(I)(-c|--config-file)]}
    (( at )) && config=(-c ${(Q)line[at+1]})
    names=(${(f)"$(${(Q)line[1]} $config __names ${(Q)PREFIX} 2> /dev/null)"})
    compadd -a names
}

