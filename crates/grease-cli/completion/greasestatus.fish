
# Names of jobs and runs, which the program tells.
function __fish_greasestatus_names
    set -l words (commandline -opc)
    set -l config
    for at in (seq 2 (count $words))
        if contains -- $words[$at] -c --config-file
            set config -c $words[(math $at + 1)]
        end
    end
    $words[1] $config __names (commandline -ct) 2>/dev/null
end
complete -c greasestatus -n "__fish_greasestatus_using_subcommand log why job suggest stop" -f -a '(__fish_greasestatus_names)'
