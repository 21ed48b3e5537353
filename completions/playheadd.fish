complete -c playheadd -l config -d 'Read this configuration file alone, and none of the system\'s' -r -F
complete -c playheadd -l bus -d 'Which of the machine\'s buses [default: system]' -r -f -a "system\t''
session\t''"
complete -c playheadd -l bus-address -d 'A bus by its address, for development; overrides --bus' -r -f
complete -c playheadd -l state-dir -d 'State directory; overrides store.path of the configuration' -r -f -a "(__fish_complete_directories)"
complete -c playheadd -l reload -d 'Have a running daemon read its configuration anew and exit; fails when that is broken' -r -f
complete -c playheadd -l read-store -d 'Print the entries of a database and exit; the daemon itself runs this, to look at a store that may be broken' -r -f -a "(__fish_complete_directories)"
complete -c playheadd -l check -d 'Check the configuration and exit'
complete -c playheadd -s h -l help -d 'Print help'
complete -c playheadd -s V -l version -d 'Print version'
complete -c playheadd -f
