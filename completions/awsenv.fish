# TAB completion of awsenv for fish.
#
# Profile names are data: they only ever come out of `(function)`, which fish neither expands nor executes. They are read
# from the two AWS files with fish's own means; no process is started, Python least of all.

# Whether the cursor stands where $argv[1] says, behind one of the verbs $argv[2..] (any, if there are none):
# `verb`, `option`, `name` (the first word that is no option; for `wrap` any), `mark` (where `--` may follow) or `command` (behind it).
function __awsenv_complete_at
    set -l tokens (commandline -opc)
    set -l verb
    set -l words 0
    set -l dashes no
    set -l value no
    for token in $tokens[2..]
        if test $dashes = yes
            set words (math $words + 1)
        else if test $value = yes
            set value no
        else if test "$token" = --
            set dashes yes
        else if contains -- "$token" --region --duration --as --format --shell --service --role-over --account --role
            set value yes
        else if contains -- "$token" --session-name --external-id --source-identity --tag --policy --policy-arn
            set value yes
        else if contains -- "$token" --session --start-url --scopes --profile --profile-region
            set value yes
        else if test "$token" = --names; and contains -- "$verb" wrap 'sso import' # for `list` it takes none
            set value yes
        else if string match -q -- '-?*' "$token"
            continue
        else if not set -q verb[1]
            set verb $token
        else if test "$verb" = sso
            set verb "sso $token"
        else
            set words (math $words + 1)
        end
    end
    if set -q argv[2]
        contains -- "$verb" $argv[2..]; or return
    end
    switch $argv[1]
        case verb
            test $dashes = no; and not set -q verb[1]
        case option
            test $dashes = no
        case name
            test $words -eq 0 -o "$verb" = wrap; and not contains -- $verb$dashes execyes demoyes
        case mark
            test $dashes = no; and test $verb = demo -o $words -gt 0
        case command
            test $dashes = yes
    end
end

# What fish itself would offer for the command line behind the first `--`.
function __awsenv_complete_command
    set -l tokens (commandline -opc)
    set -l first (contains -i -- -- $tokens)
    set -e tokens[1..$first]
    complete -C (string join ' ' -- (string escape -- $tokens) (commandline -ct))
end

# The profiles, one a line; where they are few, with account and role behind a tab.
function __awsenv_complete_profiles
    # Printable ASCII without blank ' " \ and ]: a header made of these needs no unquoting, and all of it can be seen.
    set -l plain '[!#-&(-\[^-~]'
    set -l config ''
    set -l credentials ''
    # A NUL ends a `read -z`: it spoils its own line, not the text behind it.
    if set -l file (__awsenv_complete_file "$AWS_CONFIG_FILE" config)
        while read -lz text
            set config "$config$text"\1
        end <$file
    end
    if set -l file (__awsenv_complete_file "$AWS_SHARED_CREDENTIALS_FILE" credentials)
        while read -lz text
            set credentials "$credentials$text"\1
        end <$file
    end

    # Elsewhere than behind `--` a leading dash would be read as an option. A leading ~ fish inserts as it is, and would
    # expand: such a name comes once its word begins with a quote or a backslash.
    set -l start
    contains -- -- (commandline -opc); or set start '(?!-)'
    string match -qr '^[\\\\\'"]' -- (commandline -ct); or set start "$start(?!~)"

    # Few passes over whole texts, straight to the answer: any list of 5,000 that changes hands would be felt.
    set -l header '(?m)^\x{feff}?[ \t]*\['
    set -l name "(?|(default)|profile$plain*[ \t]+$start($plain+)[ \t]*|profile[ \t]+\"$start([ !#-\[\]-~]+)\"[ \t]*)\]"
    set -l whole "$start((?:$plain| )+)\]"
    # Of two candidates that are the same fish keeps the first: the one with a description. In a longer text there are too
    # many for anyone to read.
    test (string length -- $config) -le 100000; and __awsenv_complete_describe $name $config
    string match -rag -- "$header$name" $config
    string match -rag -- "$header$whole" $credentials
    set -l odd (string match -rag -- "$header(?!$name)(profile.*\].*)" $config)
    __awsenv_complete_unquote second $odd | string match -r -- "^$start.*"
    set odd (string match -rag -- "$header(?!$whole)(.*\].*)" $credentials)
    __awsenv_complete_unquote whole $odd | string match -r -- "^$start.*"
    __awsenv_complete_aliases
    return 0
end

# The [aliases] of the settings, one a line, each with what it stands for.
function __awsenv_complete_aliases
    set -l file $HOME/.config
    string match -q '/*' -- "$XDG_CONFIG_HOME"; and set file $XDG_CONFIG_HOME
    # macOS, told by a folder that is nowhere else: uname would be a process.
    test -d "$HOME/Library/Application Support"; and set file "$HOME/Library/Application Support"
    test -f $file/awsenv/config.toml -a -r $file/awsenv/config.toml; or return 0
    read -lz text <$file/awsenv/config.toml
    set -l inside (string match -rg -- '(?s)(?:^|\n)[ \t]*\[[ \t]*aliases[ \t]*\](.*?)(?:\n[ \t]*\[|$)' "$text" | string collect)
    string replace -rf -- '^[ \t]*["\']?([A-Za-z0-9_][A-Za-z0-9_-]*)["\']?[ \t]*=[ \t]*["\']?([!#-&(-~]*).*' '$1\t$2' (string split \n -- "$inside")
end

# The names of the [sso-session] sections, one a line.
function __awsenv_complete_sessions
    set -l config ''
    if set -l file (__awsenv_complete_file "$AWS_CONFIG_FILE" config)
        while read -lz text
            set config "$config$text"\1
        end <$file
    end
    set -l start
    contains -- -- (commandline -opc); or set start '(?!-)'
    string match -qr '^[\\\\\'"]' -- (commandline -ct); or set start "$start(?!~)"
    set -l headers (string match -rag -- '(?m)^\x{feff}?[ \t]*\[(sso-session.*\].*)' $config)
    __awsenv_complete_unquote second $headers | string match -r -- "^$start.*"
    return 0
end

# Every region, one a line, but for those of the secret partitions.
function __awsenv_complete_every_region
    string join \n -- af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 \
        ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 \
        ca-central-1 ca-west-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 \
        il-central-1 me-central-1 me-south-1 me-west-1 mx-central-1 sa-east-1 sa-west-1 us-east-1 us-east-2 us-west-1 \
        us-west-2 us-gov-east-1 us-gov-west-1 cn-north-1 cn-northwest-1 eusc-de-east-1
end

# The regions of the partition that the identity in use is in; without one, all.
function __awsenv_complete_regions
    set -l names (__awsenv_complete_every_region)
    set -l own $AWS_REGION $AWS_DEFAULT_REGION
    if test -z "$AWSENV_PROFILE" -o -z "$own[1]"
        string join \n -- $names
        return
    end
    set -a names us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 eu-isoe-west-1 us-isof-east-1 us-isof-south-1
    set -l elsewhere '^(cn-|us-gov-|eusc-|us-iso[a-z]?-|eu-iso[a-z]?-)'
    set -l begin (string match -rg -- $elsewhere $own[1])
    if test -n "$begin"
        string match -- "$begin*" $names
    else
        string match -rv -- $elsewhere $names
    end
end

# The file $argv[1], else ~/.aws/$argv[2]; false unless it is a regular file that can be read (a FIFO would block).
function __awsenv_complete_file
    set -l file $argv[1]
    test -n "$file"; or set file "~/.aws/$argv[2]"
    set file (string replace -r '^~(?=/|$)' -- "$HOME" $file)
    test -f "$file" -a -r "$file"; and string collect -- $file
end

# The names in headers with quotes, backslashes or more than ASCII: with `second` the second of their two words, unquoted
# by the rules of shlex (botocore reads the config file so); with `whole` all up to the ]. One that can't be seen is left out.
function __awsenv_complete_unquote
    set -l token '^([^\]\'"\\\\ \t]+|\'[^\']*\'|"(?:[^"\\\\]|\\\\.)*"|\\\\.|[ \t]+)(.*)'
    # C0, C1, bidi, zero width; the last range is where fish keeps bytes that are not UTF-8.
    set -l hidden '[\x00-\x1f\x7f-\x9f\x{ad}\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{f600}-\x{f6ff}]'
    for line in $argv[2..]
        set -l rest $line
        set -l word
        set -l words
        while set -l parts (string match -r -- $token $rest)
            set rest $parts[3]
            switch $parts[2]
                case ' *' \t'*'
                    set -a words $word
                    set word
                case "'*"
                    set word "$word"(string trim -c "'" -- $parts[2])
                case '"*'
                    set word "$word"(string sub -s 2 -e -1 -- $parts[2] | string replace -ra '\\\\([\\\\"])' '$1')
                case '*'
                    set word "$word"(string replace -r '^\\\\' '' -- $parts[2])
            end
        end
        set -a words $word
        # The rest begins with the ] that ends the header; or with a quote that nobody closed, and it ends at the first.
        set -l name
        if test $argv[1] = second
            string match -q ']*' -- $rest; and test (count $words) -eq 2; and set name $words[2]
        else if string match -q ']*' -- $rest
            set name (string sub -l (math (string length -- $line) - (string length -- $rest)) -- $line)
        else
            set name (string replace -r '\].*' '' -- $line)
        end
        test -n "$name"; and string match -rv -- $hidden $name
    end
    return 0
end

# Name, tab, account/role for each section of the config text $argv[2] that has them; $argv[1] matches a header's name.
function __awsenv_complete_describe
    set -l sections (string split \n'[' -- \n$argv[2])
    set -l role_arn '(?=.*?\n[ \t]*role_arn[ \t]*=[ \t]*arn:[^:\s]+:iam::(\d+):role/(?:[!-~]*/)?([!-.0-~]{1,64}))'
    set -l account '(?=.*?\n[ \t]*sso_account_id[ \t]*=[ \t]*(\d+))'
    set -l role '(?=.*?\n[ \t]*sso_role_name[ \t]*=[ \t]*([!-~]{1,64}))'
    string replace -rf -- "(?s)^$argv[1]$role_arn.*" '$1\t$2/$3' $sections
    string replace -rf -- "(?s)^$argv[1]$account$role.*" '$1\t$2/$3' $sections
end

complete -c awsenv -f

complete -c awsenv -n '__awsenv_complete_at option' -l help -d 'Show help'
complete -c awsenv -n '__awsenv_complete_at verb' -l version -d 'Show the version'
complete -c awsenv -n '__awsenv_complete_at verb' -a use -d 'Make this shell an identity'
complete -c awsenv -n '__awsenv_complete_at verb' -a here -d 'Make this shell what its folder is for'
complete -c awsenv -n '__awsenv_complete_at verb' -a off -d 'Put back what was there before awsenv'
complete -c awsenv -n '__awsenv_complete_at verb' -a refresh -d 'Renew the credentials of this shell where that is due'
complete -c awsenv -n '__awsenv_complete_at verb' -a region -d 'Show or change the region of this shell'
complete -c awsenv -n '__awsenv_complete_at verb' -a current -d 'Show who this shell is, from its variables alone'
complete -c awsenv -n '__awsenv_complete_at verb' -a whoami -d 'Ask AWS who these credentials are'
complete -c awsenv -n '__awsenv_complete_at verb' -a login -d 'Log in to IAM Identity Center, or as aws login does'
complete -c awsenv -n '__awsenv_complete_at verb' -a logout -d 'End a login, and all that came from it'
complete -c awsenv -n '__awsenv_complete_at verb' -a sessions -d 'Show every login, how long it lasts, and what hangs on it'
complete -c awsenv -n '__awsenv_complete_at verb' -a console -d 'Open the AWS web console as a profile'
complete -c awsenv -n '__awsenv_complete_at verb' -a list -d 'Show every profile and how it authenticates'
complete -c awsenv -n '__awsenv_complete_at verb' -a explain -d 'Show how a profile gets its credentials'
complete -c awsenv -n '__awsenv_complete_at verb' -a export -d 'Print an identity for a script, or as a credential_process'
complete -c awsenv -n '__awsenv_complete_at verb' -a exec -d 'Become a command that runs as an identity'
complete -c awsenv -n '__awsenv_complete_at verb' -a init -d 'Print what loads awsenv into a shell'
complete -c awsenv -n '__awsenv_complete_at verb' -a setup -d 'Load awsenv into every new shell from now on'
complete -c awsenv -n '__awsenv_complete_at verb' -a settings -d 'Show the settings of awsenv itself'
complete -c awsenv -n '__awsenv_complete_at verb' -a doctor -d 'Find what is wrong, and say what to write instead'
complete -c awsenv -n '__awsenv_complete_at verb' -a wrap -d 'Write profiles that ask awsenv for others'
complete -c awsenv -n '__awsenv_complete_at verb' -a trust -d 'Let a config file elsewhere start the programs that it names'
complete -c awsenv -n '__awsenv_complete_at verb' -a sso -d 'Write profiles of IAM Identity Center'
complete -c awsenv -n '__awsenv_complete_at verb' -a demo -d 'Try it all in a throw-away home with a fake AWS'

complete -c awsenv -n '__awsenv_complete_at name use whoami login logout console explain export exec doctor wrap' -a '(__awsenv_complete_profiles)'
complete -c awsenv -n '__awsenv_complete_at name login logout' -a '(__awsenv_complete_sessions)'
complete -c awsenv -n '__awsenv_complete_at name use' -a - -d 'The identity before this one'
complete -c awsenv -n '__awsenv_complete_at name sso' -a import -d 'Write every account and role of a login as profiles'
complete -c awsenv -n '__awsenv_complete_at name sso' -a add -d 'Add a login and profiles of it, by a conversation'
complete -c awsenv -n '__awsenv_complete_at name "sso import"' -a '(__awsenv_complete_sessions)'
complete -c awsenv -n '__awsenv_complete_at name init setup' -a 'bash zsh fish'
complete -c awsenv -n '__awsenv_complete_at name trust' -F
complete -c awsenv -n '__awsenv_complete_at mark exec demo' -a -- -d 'The command follows'
complete -c awsenv -n '__awsenv_complete_at command exec demo' -a '(__awsenv_complete_command)'

set -l regions (__awsenv_complete_every_region)
complete -c awsenv -n '__awsenv_complete_at name region' -a '(__awsenv_complete_regions)'
complete -c awsenv -n '__awsenv_complete_at name region' -a - -d 'The region before this one'
complete -c awsenv -n '__awsenv_complete_at option region' -l force -d 'One that awsenv does not know, or of elsewhere'
complete -c awsenv -n '__awsenv_complete_at option use explain export exec' -l region -x -a "$regions" -d "Region, instead of the profile's own"
set -l services acm amplify apigateway appconfig apprunner appsync athena autoscaling backup batch bedrock billing \
    cloudformation cloudfront cloudshell cloudtrail cloudwatch codeartifact codebuild codecommit codedeploy \
    codepipeline cognito config controltower cost datasync directconnect dms docdb dynamodb ec2 ecr ecs efs eks \
    elasticache elasticbeanstalk elb emr eventbridge firehose fsx glue guardduty iam imagebuilder inspector \
    kinesis kms lakeformation lambda logs macie mq msk mwaa neptune opensearch organizations parameterstore ram \
    rds redshift resourcegroups route53 s3 sagemaker secretsmanager securityhub servicecatalog servicequotas ses \
    singlesignon sns sqs ssm stepfunctions support transfer trustedadvisor vpc waf workspaces xray
complete -c awsenv -n '__awsenv_complete_at option console' -l service -x -a "$services" -d 'Where to land'
complete -c awsenv -n '__awsenv_complete_at option console' -l region -x -a "$regions" -d 'Region of the console'
complete -c awsenv -n '__awsenv_complete_at option console' -l print -d 'Print the link, open nothing'
complete -c awsenv -n '__awsenv_complete_at option use explain export exec' -l duration -x -k -a '15m 30m 1h 2h 4h 8h 12h' -d 'Length of the last role'
complete -c awsenv -n '__awsenv_complete_at option use refresh export exec' -l fresh -d 'Get new credentials, whatever is stored'
complete -c awsenv -n '__awsenv_complete_at option use whoami console export exec' -l mfa-stdin -d 'Read the MFA code from stdin'
complete -c awsenv -n '__awsenv_complete_at option use exec' -l yes -d "Don't ask, whatever the settings guard"
# Those over any profile, wherever one's identity is taken.
set -l policies arn:aws:iam::aws:policy/{ReadOnlyAccess,SecurityAudit,job-function/ViewOnlyAccess,PowerUserAccess}
complete -c awsenv -n '__awsenv_complete_at option use whoami console explain export exec' -l role -x -d 'Assume this role, too, with what the profile is'
complete -c awsenv -n '__awsenv_complete_at option use whoami console explain export exec' -l session-name -x -d "Name of the last role's session"
complete -c awsenv -n '__awsenv_complete_at option use whoami console explain export exec' -l external-id -x -d "What the last role's trust policy asks for"
complete -c awsenv -n '__awsenv_complete_at option use whoami console explain export exec' -l source-identity -x -d 'Who is behind it, for every record AWS keeps'
complete -c awsenv -n '__awsenv_complete_at option use whoami console explain export exec' -l tag -x -d 'Session tag, may be repeated'
complete -c awsenv -n '__awsenv_complete_at option use whoami console explain export exec' -l policy -r -F -d 'No more than the policy in this file allows'
complete -c awsenv -n '__awsenv_complete_at option use whoami console explain export exec' -l policy-arn -x -a "$policies" -d 'No more than this managed policy allows'
complete -c awsenv -n '__awsenv_complete_at option use whoami console explain export exec' -l read-only -d 'Look, and change nothing'
complete -c awsenv -n '__awsenv_complete_at option use' -l as -x -a 'keys\t"The credentials themselves" profile\t"AWS_PROFILE only"' -d 'What the shell gets'
complete -c awsenv -n '__awsenv_complete_at option current whoami sessions list explain settings doctor wrap' -l json -d 'Print JSON'
complete -c awsenv -n '__awsenv_complete_at option list' -l names -d 'Names only, one a line'
complete -c awsenv -n '__awsenv_complete_at option export' -l format -x -a 'env fish json process dotenv powershell github' -d 'Format to print'
complete -c awsenv -n '__awsenv_complete_at option export' -l show -d 'Put secrets on the screen'
complete -c awsenv -n '__awsenv_complete_at option export' -l allow-login -d 'Log in if it takes that, unasked'
complete -c awsenv -n '__awsenv_complete_at option login' -l device -d 'By a code on any device'
complete -c awsenv -n '__awsenv_complete_at option login' -l no-browser -d 'Show the link, open nothing'
complete -c awsenv -n '__awsenv_complete_at option login' -l fresh -d 'Log in anew, whatever is still good'
complete -c awsenv -n '__awsenv_complete_at option logout' -l all -d 'Every login'
complete -c awsenv -n '__awsenv_complete_at option init' -l values -d 'Where awsenv is, alone'
complete -c awsenv -n '__awsenv_complete_at option setup' -l yes -d "Don't ask"
complete -c awsenv -n '__awsenv_complete_at option setup' -l remove -d 'Take it out again'
complete -c awsenv -n '__awsenv_complete_at option setup' -l print -d 'Print the lines, change nothing'
complete -c awsenv -n '__awsenv_complete_at option settings' -l template -d 'A file to start from'
complete -c awsenv -n '__awsenv_complete_at option doctor' -l fix -d 'Mend what is safe to mend, after a diff'
complete -c awsenv -n '__awsenv_complete_at option doctor' -l yes -d "Don't ask"
complete -c awsenv -n '__awsenv_complete_at option doctor' -l dry-run -d 'Show the diff, change nothing'
complete -c awsenv -n '__awsenv_complete_at option wrap' -l names -x -a '"{profile}-awsenv" "awsenv-{profile}"' -d 'How wrapped ones are called'
complete -c awsenv -n '__awsenv_complete_at option wrap' -l remove -d 'Take them out again'
complete -c awsenv -n '__awsenv_complete_at option wrap' -l prune -d 'Remove those whose profile is no more'
complete -c awsenv -n '__awsenv_complete_at option wrap' -l yes -d "Don't ask"
complete -c awsenv -n '__awsenv_complete_at option wrap' -l dry-run -d 'Show the change, make none'
complete -c awsenv -n '__awsenv_complete_at option trust' -l list -d 'Show what is trusted'
complete -c awsenv -n '__awsenv_complete_at option trust' -l remove -d 'Trust it no more'
complete -c awsenv -n '__awsenv_complete_at option trust' -l yes -d "Don't ask"
complete -c awsenv -n '__awsenv_complete_at option "sso import"' -l names -x -a '"{account_name}-{role}" "{account_id}-{role}"' -d 'Template of the names'
complete -c awsenv -n '__awsenv_complete_at option "sso import"' -l region -x -a "$regions" -d 'Region of the profiles'
complete -c awsenv -n '__awsenv_complete_at option "sso import"' -l role-over -x -d 'A profile more for each, that switches to this role'
complete -c awsenv -n '__awsenv_complete_at option "sso import"' -l account -x -d 'Accounts of this name or id alone'
complete -c awsenv -n '__awsenv_complete_at option "sso import"' -l role -x -d 'These roles alone'
complete -c awsenv -n '__awsenv_complete_at option "sso import"' -l prune -d 'Remove profiles that are offered no more'
complete -c awsenv -n '__awsenv_complete_at option "sso import"' -l yes -d "Don't ask"
complete -c awsenv -n '__awsenv_complete_at option "sso import"' -l dry-run -d 'Show the change, make none'
complete -c awsenv -n '__awsenv_complete_at option "sso import"' -l json -d 'Print JSON'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l session -x -a '(__awsenv_complete_sessions)' -d 'An sso-session, there already or new'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l start-url -x -d 'Start URL of the portal'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l region -x -a "$regions" -d 'Region of the portal'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l scopes -x -d 'Registration scopes'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l account -x -d 'Accounts of this name or id'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l role -x -d 'The role there'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l profile -x -d 'Name of the profile'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l profile-region -x -a "$regions" -d 'Region of the profile'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l yes -d "Don't ask for what has a default"
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l device -d 'Log in by a code on any device'
complete -c awsenv -n '__awsenv_complete_at option "sso add"' -l no-browser -d 'Show the link, open nothing'
complete -c awsenv -n '__awsenv_complete_at option demo' -l shell -x -a 'bash zsh fish' -d 'Shell to open, instead of your own'
