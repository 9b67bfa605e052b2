# Made from the tables that the program reads its command line by. Do not edit.

# The action and what follows it, up to the cursor.
function __supervisorctl_action
    set -l tokens (commandline -opc)
    set -e tokens[1]
    while set -q tokens[1]
        switch $tokens[1]
            case -c --configuration -s --serverurl -u --username --password-file --context --cacert --cert --key --crl -p --password -r --history_file --color
                set -e tokens[1]
                set -q tokens[1]; and set -e tokens[1]
            case '-*'
                set -e tokens[1]
            case '*'
                string join \n -- $tokens
                return 0
        end
    end
    return 1
end

function __supervisorctl_words
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l pass
    set -lx SUPERVISOR_PASSWORD $SUPERVISOR_PASSWORD
    while set -q tokens[2]
        switch $tokens[1]
            case -c --configuration -s --serverurl -u --username --password-file --context --cacert --cert --key --crl
                set -a pass $tokens[1] (string replace -r '^~/' "$HOME/" -- $tokens[2])
                set -e tokens[1..2]
            case -p --password
                # By the environment: command lines can be seen by others.
                set SUPERVISOR_PASSWORD $tokens[2]
                set -e tokens[1..2]
            case -r --history_file --color
                set -e tokens[1..2]
            case '--password=*'
                set SUPERVISOR_PASSWORD (string replace -- '--password=' '' $tokens[1])
                set -e tokens[1]
            case '--*=*'
                set -a pass $tokens[1]
                set -e tokens[1]
            case '-*'
                set -e tokens[1]
            case '*'
                break
        end
    end
    set -l line (string join ' ' -- (__supervisorctl_action) (commandline -ct))
    supervisorctl $pass __complete "$line" 2> /dev/null < /dev/null
end

complete -c supervisorctl -f
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -s c -l configuration -r -F -d 'configuration file; searched for if not given'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -s h -l help -d 'print this text and exit'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -s i -l interactive -d 'ask for credentials and confirmations where needed; the shell if there is no action'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -s s -l serverurl -x -a 'http:// unix://' -d 'where supervisord listens (default http://localhost:9001)'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -s u -l username -x -d 'name to log in with'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -s p -l password -x -d 'password to log in with; others can see it in the list of processes'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -s r -l history_file -r -F -d 'file that the shell keeps its history in'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l password-file -r -F -d 'file with the password to log in with, readable by its owner alone'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l context -x -a '(supervisorctl __contexts 2> /dev/null < /dev/null)' -d 'server and credentials of this name in the contexts file'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l cacert -r -F -d 'certificates of the authorities that https servers are trusted by (default the system\'s)'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l cert -r -F -d 'certificate to show https servers that want one'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l key -r -F -d 'its private key, readable by its owner alone (default in the same file)'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l crl -r -F -d 'revocation lists that certificates of https servers are looked up in'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l insecure -d 'do not check who an https server is: whoever is in between reads all, passwords included'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l json -d 'print one JSON document instead of text; also after the action'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l raw -d 'send control characters of logs and names to the terminal as they are; also after the action'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -l color -x -a 'auto always never' -d 'whether states are coloured (default auto: on a terminal); also after the action, as --color=WHEN'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a add -d 'put groups of the last reading in force'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a audit -d 'show an audit log, or check that nothing in it was changed'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a avail -d 'list what the last reading of the configuration has'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a can -d 'tell whether somebody may do something, and by which rule'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a clear -d 'empty log files of processes'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a exit -d 'leave the shell'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a fg -d 'talk to a process: see its output, send it lines'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a help -d 'list the actions, or explain one'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a maintail -d 'show the end of supervisord\'s own log'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a open -d 'turn to another supervisord'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a passwd -d 'make the hash of a password for the configuration'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a pid -d 'show process ids'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a quit -d 'leave the shell'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a reload -d 'stop all processes and start supervisord over'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a remove -d 'put stopped groups out of force'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a reread -d 'read the configuration and say what differs; nothing changes'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a restart -d 'stop and start processes'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a shutdown -d 'stop all processes and end supervisord'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a signal -d 'send processes a signal'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a start -d 'start processes'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a status -d 'show the state of processes'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a stop -d 'stop processes'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a tail -d 'show the end of a process\'s log'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a token -d 'make, list and revoke tokens, which machines log in with'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a update -d 'read the configuration and carry out what changed'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a version -d 'show the version of supervisord'
complete -c supervisorctl -n 'not __supervisorctl_action > /dev/null' -a whoami -d 'show who supervisord takes the caller for, and what that one may do'
complete -c supervisorctl -n '__supervisorctl_action > /dev/null' -a '(__supervisorctl_words)'
