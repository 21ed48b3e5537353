# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_playheadctl_global_optspecs
    string join \n bus= bus-address= h/help V/version
end

function __fish_playheadctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_playheadctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_playheadctl_using_subcommand
    set -l cmd (__fish_playheadctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c playheadctl -n "__fish_playheadctl_needs_command" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_needs_command" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_needs_command" -s h -l help -d 'Print help'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -s V -l version -d 'Print version'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "status" -d 'Shows in one look whether it works, and what keeps hits back'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "sessions" -d 'Lists the sessions that are open'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "queue" -d 'Lists what waits to be delivered, and for what; or what the collector refused for good'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "resume-points" -d 'Lists where viewers stopped'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "flush" -d 'Delivers now, and shows how what waits becomes less'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "consent" -d 'Shows what the viewer allows, or sets it'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "doctor" -d 'Looks at everything that delivery needs, and says what to do'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "config" -d 'Shows the configuration, merged from all its files and variables'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "monitor" -d 'Shows each event, hit and answer as it happens, and what holds hits back'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "simulate" -d 'Runs the whole agent over a timeline in virtual time, and prints its requests as JSON'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "player" -d 'Plays a timeline to the agent in real time, to try a box out without a player'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "record" -d 'Writes a timeline of what players say on the bus'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "collector" -d 'Takes what the agent sends and shows it: a collector for the workbench'
complete -c playheadctl -n "__fish_playheadctl_needs_command" -f -a "fleet" -d 'Runs a fleet of boxes in virtual time, and shows what a collector sees of it'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand status" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand status" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand status" -l json -d 'JSON instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand sessions" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand sessions" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand sessions" -l json -d 'JSON instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand sessions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand queue" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand queue" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand queue" -l rejected -d 'The newest hits that the collector refused for good, with its words, and not what waits'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand queue" -l json -d 'JSON instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand queue" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand resume-points" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand resume-points" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand resume-points" -l json -d 'JSON instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand resume-points" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand flush" -l wait -d 'How long it waits while nothing moves before it gives up' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand flush" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand flush" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand flush" -l json -d 'One JSON object at the end instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand flush" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand consent" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand consent" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand consent" -l json -d 'JSON instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand consent" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand doctor" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand doctor" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand doctor" -l json -d 'JSON instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand config" -l config -d 'This file in place of all others' -r -F
complete -c playheadctl -n "__fish_playheadctl_using_subcommand config" -l root -d 'Takes the files below this directory, as of the image of a box' -r -f -a "(__fish_complete_directories)"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand config" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand config" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand config" -l origin -d 'Where each value comes from: file and line, variable, or default'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand config" -l check -d 'Only says what is wrong'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand config" -l json -d 'JSON instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand monitor" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand monitor" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand monitor" -l json -d 'JSON instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand monitor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand simulate" -l config -d 'Configuration file [default: no file]' -r -F
complete -c playheadctl -n "__fish_playheadctl_using_subcommand simulate" -l set -d 'A setting on top of the configuration; may be given several times' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand simulate" -l until -d 'Time on the timeline at which the run ends [default: an hour after the last line]' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand simulate" -l seed -d 'The seed of the random numbers' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand simulate" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand simulate" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand simulate" -l json -d 'Changes nothing: the output is JSON in any case'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand player" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand player" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand player" -l json -d 'One JSON object for each line of the timeline instead of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand player" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand record" -l players -d 'The bus of players that speak MPRIS: `session`, `system` or an address [default: the bus of the agent]' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand record" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand record" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand record" -l json -d 'Changes nothing: the output is JSON in any case'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -l listen -d 'Where to listen; port 0 takes a free one' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -l faults -d 'A file with fault rules: a JSON array, as `rules` of a timeline\'s event `Collector`' -r -F
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -l url-file -d 'A file that the URL is written to once it listens' -r -F
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -l tls -d 'Speaks TLS with an authority of its own, which is kept in this directory; its ca.pem is for the box\'s collector.ca_file' -r -f -a "(__fish_complete_directories)"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -l open -d 'Shows this file on the page and takes no hits: hits of `collector --json`, the output of `simulate`, a trace that the page exported, or a timeline, which is simulated' -r -F
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -l client-certificates -d 'Asks for client certificates; client.pem and client.key in the directory of --tls are for the box\'s collector.client_cert_file and collector.client_key_file'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -l json -d 'One JSON object for each request instead of a line of text'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand fleet" -l boxes -d 'Boxes that are simulated [default: 10000, for outage 100000]' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand fleet" -l seed -d 'The seed of the random numbers' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand fleet" -l out -d 'Writes SCENARIO.csv and SCENARIO.svg into this directory, which is made' -r -f -a "(__fish_complete_directories)"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand fleet" -l set -d 'A setting of the boxes; may be given several times' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand fleet" -l bus -d 'Which of the machine\'s buses' -r -f -a "system\t''
session\t''"
complete -c playheadctl -n "__fish_playheadctl_using_subcommand fleet" -l bus-address -d 'A bus by its address, such as unix:path=/run/my-bus; overrides --bus' -r -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand fleet" -l alone -d 'Runs only the boxes of the daemon, and no clients to compare with'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand fleet" -l json -d 'One JSON object for each scenario and way to deliver instead of a table'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand fleet" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand status" -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand sessions" -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand queue" -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand resume-points" -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand flush" -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand consent" -f -a in -d 'Hits are sent'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand consent" -f -a out -d 'Nothing is tracked, kept or sent; all that is kept is deleted at once'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand consent" -f -a unknown -d 'Everything is tracked and kept, nothing is sent'
complete -c playheadctl -n "__fish_playheadctl_using_subcommand doctor" -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand config" -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand monitor" -f
complete -c playheadctl -n "__fish_playheadctl_using_subcommand collector" -f
