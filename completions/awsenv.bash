# shellcheck shell=bash
# TAB completion of awsenv for bash 3.2 and newer; needs nothing but an awk.
#
# `\builtin local` is an ordinary command to bash: its values are quoted, or they would be split and globbed.
# Profile names are data: nothing here evaluates, globs or word-splits them (so no `compgen -W`), and what is inserted is
# quoted for the place where it lands. Python is never started; one awk reads the two AWS files.

# The command line in $1, unquoted as the shell would, into the caller's `words`; its last word as it was typed into
# `raw`, and the quote that is still open there into `quote`.
__awsenv_complete_split() {
    \builtin local rest="$1" word='' begun='' character next
    words=() raw='' quote=''
    while [[ -n $rest ]]; do
        character=${rest:0:1} rest=${rest:1} next=${rest:0:1}
        raw+=$character
        case $quote$character in
            ' ' | $'\t' | $'\n')
                [[ -z $begun ]] || words+=("$word")
                word='' raw='' begun=''
                continue
                ;;
            \\ | \"\\)
                # Between double quotes a backslash is itself, except before these four.
                if [[ -z $quote || $next == [\$\`\"\\] ]]; then
                    character=$next rest=${rest:1}
                    raw+=$next
                fi
                word+=$character
                ;;
            \' | \") quote=$character ;;
            "''" | '""') quote='' ;;
            *) word+=$character ;;
        esac
        begun=yes
    done
    words+=("$word")
}

# The profile names that begin with `cur`, one a line; with $1 the names of those sections instead. Replaces the (sub)shell it runs in by awk: one fork, no more.
# A name that begins with a dash comes only when `dashes` is set: elsewhere it would be read as an option.
# LC_ALL=C: the names are bytes here, and what is not UTF-8 or cannot be seen (C0, C1, bidi, zero width) is left out.
__awsenv_complete_profiles() {
    \builtin local home="${HOME-}" kind="${1-}" config credentials
    config=${AWS_CONFIG_FILE:-$home/.aws/config} credentials=${AWS_SHARED_CREDENTIALS_FILE:-$home/.aws/credentials}
    case $config in \~ | \~/*) config=$home${config#\~} ;; esac
    case $credentials in \~ | \~/*) credentials=$home${credentials#\~} ;; esac
    # awk takes NAME=VALUE and `-` for something else than a file; a leading ./ tells it otherwise. A FIFO would block it.
    \builtin set --
    if [[ -f $config && -r $config ]]; then
        [[ $config == /* ]] || config=./$config
        \builtin set -- "$config"
    fi
    if [[ -z $kind && -f $credentials && -r $credentials ]]; then
        [[ $credentials == /* ]] || credentials=./$credentials
        \builtin set -- "$@" verbatim=1 "$credentials"
    fi
    if [[ -z $kind ]]; then
        config=${XDG_CONFIG_HOME-}
        [[ $config == /* ]] || config=$home/.config
        [[ ${OSTYPE-} != darwin* ]] || config="$home/Library/Application Support"
        [[ ! -f $config/awsenv/config.toml || ! -r $config/awsenv/config.toml ]] || \builtin set -- "$@" aliases=1 "$config/awsenv/config.toml"
    fi
    (($#)) || \builtin return 0
    # shellcheck disable=SC2016
    AWSENV_PREFIX=$cur AWSENV_DASHES=$dashes AWSENV_KIND=$kind LC_ALL=C \builtin exec awk '
        BEGIN { prefix = ENVIRON["AWSENV_PREFIX"]; dashes = ENVIRON["AWSENV_DASHES"]; kind = ENVIRON["AWSENV_KIND"] }

        # The text of a header: up to the first ] outside quotes, else up to the first.
        function header(text,   i, c, quote) {
            if (text !~ /[\047"\\]/) return substr(text, 1, index(text, "]") - 1)
            for (i = 1; i <= length(text); i++) {
                c = substr(text, i, 1)
                if (c == "\\" && quote != "\047") i++
                else if (quote != "") { if (c == quote) quote = "" }
                else if (c == "\047" || c == "\"") quote = c
                else if (c == "]") return substr(text, 1, i - 1)
            }
            return substr(text, 1, index(text, "]") - 1)
        }

        # The second word, by the rules of shlex, as botocore reads it; "" unless there are exactly two.
        function second(text,   i, c, next_one, quote, begun, count, word, words) {
            for (i = 1; i <= length(text); i++) {
                c = substr(text, i, 1)
                if (c == "\\" && quote != "\047") {
                    next_one = substr(text, ++i, 1)
                    if (next_one == "") return ""
                    if (quote != "" && next_one != "\\" && next_one != "\"") word = word c
                    word = word next_one
                } else if (quote != "") {
                    if (c == quote) quote = ""; else word = word c
                } else if (c == "\047" || c == "\"") {
                    quote = c
                } else if (c == " " || c == "\t") {
                    if (begun) words[++count] = word
                    word = ""; begun = 0
                    continue
                } else word = word c
                begun = 1
            }
            if (begun) words[++count] = word
            return quote == "" && count == 2 ? words[2] : ""
        }

        # Whether a name with bytes beyond ASCII is UTF-8 and all of it can be seen.
        function visible(name) {
            if (name ~ /\302[\200-\237\255]|\342\200[\213-\217\250-\256]|\342\201[\240-\257]|\357\273\277/) return 0
            gsub(/[\302-\337][\200-\277]|\340[\240-\277][\200-\277]|\355[\200-\237][\200-\277]|[\341-\354\356\357][\200-\277][\200-\277]/, "", name)
            gsub(/\360[\220-\277][\200-\277][\200-\277]|[\361-\363][\200-\277][\200-\277][\200-\277]|\364[\200-\217][\200-\277][\200-\277]/, "", name)
            return name !~ /[^ -~]/
        }

        FNR == 1 { sub(/^\357\273\277/, "") }
        # The [aliases] of the settings: their names are plain, or they are none.
        aliases {
            if (/^[ \t]*\[/) inside = /^[ \t]*\[[ \t]*aliases[ \t]*\]/
            else if (inside && match($0, /^[ \t]*["\047]?[A-Za-z0-9_][A-Za-z0-9_-]*["\047]?[ \t]*=/)) {
                name = substr($0, 1, RLENGTH - 1)
                gsub(/[ \t"\047]/, "", name)
                if (substr(name, 1, length(prefix)) == prefix && !(name in seen)) print name
            }
            next
        }
        /^[ \t]*\[.*\]/ {
            sub(/^[ \t]*\[/, "")
            name = header($0)
            if (kind != "") {
                if (index(name, kind) != 1) next
                name = second(name)
            } else if (!verbatim && name != "default") {
                if (name !~ /^profile/) next
                if (name ~ /[\047"\\]/ || name !~ /^profile[^ \t]*[ \t]+[^ \t]+[ \t]*$/) name = second(name)
                else { sub(/^[^ \t]+[ \t]+/, "", name); sub(/[ \t]+$/, "", name) }
            }
            if (name == "" || substr(name, 1, length(prefix)) != prefix || name in seen) next
            seen[name]
            if (substr(name, 1, 1) == "-" && !dashes || name ~ /[^ -~]/ && !visible(name)) next
            print name
        }
    ' "$@" 2>/dev/null
}

# The lines of $1 that begin with `cur`, quoted for the place of the cursor, as the reply. Readline replaces only the
# text after the last of COMP_WORDBREAKS (a colon, say) or after an open quote; `typed` stands before it and stays.
__awsenv_complete_reply() {
    \builtin local typed="${raw%"$readline"}" keep lines="$1" candidates words raw quote restore='' out='' IFS=$'\n'
    __awsenv_complete_split "$typed"
    keep=${words[0]}
    case $- in *f*) ;; *) restore=yes ;; esac
    \builtin set -f # or the next line would expand a name like *
    # shellcheck disable=SC2206
    candidates=($lines)
    if ((${#candidates[@]})); then
        candidates=("${candidates[@]#"$keep"}")
        if [[ -z $quote ]]; then
            \builtin printf -v out '%q\n' "${candidates[@]}"
        else
            \builtin printf -v out '%s\n' "${candidates[@]}"
            __awsenv_complete_escape
            # Readline closes the quote behind a single match, unless that happens to end in one.
            if ((${#candidates[@]} == 1)) && [[ $out == *"$quote"$'\n' ]]; then out=${out%$'\n'}$quote; fi
        fi
        # shellcheck disable=SC2206
        COMPREPLY=($out)
    fi
    [[ -z $restore ]] || \builtin set +f
}

# `out` as it must stand behind the open `quote`.
__awsenv_complete_escape() {
    \builtin local from to
    if [[ $quote == "'" ]]; then
        from="'" to="'\\''"
        out=${out//"$from"/"$to"}
        \builtin return
    fi
    for from in \\ '"' '$' '`'; do
        to=\\$from
        out=${out//"$from"/"$to"}
    done
    from='!' to='"\!"' # history expansion is on between double quotes, and a backslash would stay there
    out=${out//"$from"/"$to"}
}

# Those of the words given that begin with `cur`: the reply.
__awsenv_complete_words() {
    \builtin local word lines=''
    for word in "$@"; do
        [[ $word != "$cur"* ]] || lines+=$word$'\n'
    done
    __awsenv_complete_reply "$lines"
}

# A command line of its own, from the word after the first `--`; $1 is `first` while its first word is being typed.
__awsenv_complete_command() {
    \builtin local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} != -- ]] || \builtin break
    done
    if \builtin declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset $((i + 1)) # bash-completion, where it is loaded, knows that command's own completion
    elif \builtin declare -F _command_offset >/dev/null; then
        _command_offset $((i + 1))
    elif [[ $1 == first && $cur != */* && $cur != '~'* ]]; then
        __awsenv_complete_reply "$(\builtin compgen -c -- "$cur")"
    else
        \builtin compopt -o bashdefault -o default 2>/dev/null || : # bash 3.2 has no compopt; there it is always on
    fi
}

__awsenv_complete() {
    \builtin local IFS=$' \t\n' readline="${2-}" words raw quote
    __awsenv_complete_split "${COMP_LINE:0:COMP_POINT}"
    \builtin local last="$((${#words[@]} - 1))"
    \builtin local cur="${words[last]}" verb='' value='' dashes='' place=0 after=0 i=0 word
    COMPREPLY=()
    while [[ ${words[i]} == [A-Za-z_]*=* ]]; do i=$((i + 1)); done # assignments before the command
    for ((i = i + 1; i < last; i++)); do
        word=${words[i]}
        if [[ -n $dashes ]]; then
            after=$((after + 1))
        elif [[ -n $value ]]; then
            value=''
        else
            case $word in
                --) dashes=yes ;;
                --region | --duration | --as | --format | --shell | --service) value=$word ;;
                --role-over | --account | --role) value=$word ;;
                --session-name | --external-id | --source-identity | --tag | --policy | --policy-arn) value=$word ;;
                --session | --start-url | --scopes | --profile | --profile-region) value=$word ;;
                --names) [[ $verb != 'sso import' && $verb != wrap ]] || value=$word ;; # for `list` it takes none
                -?*) ;;
                *)
                    case $verb in
                        '') verb=$word ;;
                        sso) verb="sso $word" ;;
                        *) place=$((place + 1)) ;;
                    esac
                    ;;
            esac
        fi
    done

    case $verb$dashes in
        execyes | demoyes)
            if ((after)); then __awsenv_complete_command rest; else __awsenv_complete_command first; fi
            \builtin return 0
            ;;
    esac
    place=$((place + after))
    if [[ -z $value$dashes && $cur == --*=* ]]; then
        value=${cur%%=*}
        __awsenv_complete_value "$value="
    elif [[ -n $value ]]; then
        __awsenv_complete_value ''
    elif [[ -z $dashes && $cur == -* ]]; then
        __awsenv_complete_options
    elif [[ -z $verb ]]; then
        __awsenv_complete_words use here off refresh region current whoami login logout sessions console list explain export exec init setup settings doctor wrap trust demo sso
    elif ((place == 0)) || [[ $verb == wrap ]]; then
        case $verb in
            sso) __awsenv_complete_words import add ;;
            'sso import') __awsenv_complete_reply "$(__awsenv_complete_profiles sso-session)" ;;
            login | logout)
                __awsenv_complete_reply "$(
                    (__awsenv_complete_profiles sso-session)
                    __awsenv_complete_profiles
                )"
                ;;
            use | whoami | console | explain | export | exec | doctor | wrap)
                __awsenv_complete_reply "$(
                    [[ $verb != use || -n $cur || -n $dashes ]] || \builtin printf '%s\n' -
                    __awsenv_complete_profiles
                )"
                ;;
            region)
                value=verb
                __awsenv_complete_value ''
                ;;
            init | setup) __awsenv_complete_words bash zsh fish ;;
            trust) \builtin compopt -o default 2>/dev/null || : ;; # bash 3.2 has no compopt; there it is always on
        esac
    fi
    \builtin return 0
}

# `values` for the verb `region`: those of the partition that the identity in use is in; without one, all but the secret ones.
__awsenv_complete_partition() {
    \builtin local region="${AWS_REGION:-${AWS_DEFAULT_REGION-}}" partition word found
    if [[ -n ${AWSENV_PROFILE-} && -n $region ]]; then
        values+=(us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 eu-isoe-west-1 us-isof-east-1 us-isof-south-1)
        found=()
        __awsenv_complete_partition_of "$region"
        region=$partition
        for word in "${values[@]}"; do
            __awsenv_complete_partition_of "$word"
            [[ $partition != "$region" ]] || found+=("$word")
        done
        values=(${found[@]+"${found[@]}"})
    fi
    [[ -n $cur ]] || values=(- "${values[@]}")
}

__awsenv_complete_partition_of() {
    case $1 in
        cn-* | us-gov-* | eusc-* | us-iso* | eu-iso*) partition=${1%-*-*} ;;
        *) partition='' ;;
    esac
}

# The values of the option in `value`, each behind $1 (`--region=` where that is how it was typed).
__awsenv_complete_value() {
    \builtin local values
    case $value in
        --session)
            [[ -n $1 ]] || __awsenv_complete_reply "$(__awsenv_complete_profiles sso-session)"
            \builtin return 0
            ;;
        --region | --profile-region | verb)
            values=(
                af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2
                ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7
                ca-central-1 ca-west-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2
                eu-west-3 il-central-1 me-central-1 me-south-1 me-west-1 mx-central-1 sa-east-1 sa-west-1 us-east-1
                us-east-2 us-west-1 us-west-2 us-gov-east-1 us-gov-west-1 cn-north-1 cn-northwest-1 eusc-de-east-1
            )
            [[ $value != verb ]] || __awsenv_complete_partition
            ;;
        --duration) values=(15m 30m 1h 2h 4h 8h 12h) ;;
        --as) values=(keys profile) ;;
        --shell) values=(bash zsh fish) ;;
        --service)
            values=(
                acm amplify apigateway appconfig apprunner appsync athena autoscaling backup batch bedrock
                billing cloudformation cloudfront cloudshell cloudtrail cloudwatch codeartifact codebuild
                codecommit codedeploy codepipeline cognito config controltower cost datasync directconnect dms
                docdb dynamodb ec2 ecr ecs efs eks elasticache elasticbeanstalk elb emr eventbridge firehose fsx
                glue guardduty iam imagebuilder inspector kinesis kms lakeformation lambda logs macie mq msk
                mwaa neptune opensearch organizations parameterstore ram rds redshift resourcegroups route53 s3
                sagemaker secretsmanager securityhub servicecatalog servicequotas ses singlesignon sns sqs ssm
                stepfunctions support transfer trustedadvisor vpc waf workspaces xray
            )
            ;;
        --policy)
            \builtin compopt -o default 2>/dev/null || : # bash 3.2 has no compopt; there it is always on
            \builtin return 0
            ;;
        --policy-arn)
            values=(ReadOnlyAccess SecurityAudit job-function/ViewOnlyAccess PowerUserAccess)
            values=("${values[@]/#/arn:aws:iam::aws:policy/}")
            ;;
        --format) values=(env fish json process dotenv powershell github) ;;
        *) \builtin return 0 ;;
    esac
    __awsenv_complete_words "${values[@]/#/$1}"
}

__awsenv_complete_options() {
    # Those over any profile, wherever one's identity is taken.
    \builtin local over
    over=(--role --session-name --external-id --source-identity --tag --policy --policy-arn --read-only)
    case $verb in
        '') __awsenv_complete_words --help --version ;;
        use) __awsenv_complete_words - --region --duration --fresh --as --mfa-stdin --yes "${over[@]}" --help ;;
        refresh) __awsenv_complete_words --fresh --help ;;
        region) __awsenv_complete_words - --force --help ;;
        login) __awsenv_complete_words --device --no-browser --fresh --help ;;
        logout) __awsenv_complete_words --all --help ;;
        current | sessions) __awsenv_complete_words --json --help ;;
        whoami) __awsenv_complete_words --json --mfa-stdin "${over[@]}" --help ;;
        console) __awsenv_complete_words --service --region --print --mfa-stdin "${over[@]}" --help ;;
        list) __awsenv_complete_words --json --names --help ;;
        explain) __awsenv_complete_words --json --region --duration "${over[@]}" --help ;;
        export) __awsenv_complete_words --format --show --allow-login --region --duration --fresh --mfa-stdin "${over[@]}" --help ;;
        exec) __awsenv_complete_words --region --duration --fresh --mfa-stdin --yes "${over[@]}" -- --help ;;
        init) __awsenv_complete_words --values --help ;;
        setup) __awsenv_complete_words --yes --remove --print --help ;;
        settings) __awsenv_complete_words --json --template --help ;;
        doctor) __awsenv_complete_words --fix --yes --dry-run --json --help ;;
        wrap) __awsenv_complete_words --names --remove --prune --yes --dry-run --json --help ;;
        trust) __awsenv_complete_words --list --remove --yes --help ;;
        'sso import')
            __awsenv_complete_words --names --region --role-over --account --role --prune --yes --dry-run --json --help
            ;;
        'sso add')
            __awsenv_complete_words --session --start-url --region --scopes --account --role --profile --profile-region \
                --yes --device --no-browser --help
            ;;
        demo) __awsenv_complete_words --shell -- --help ;;
        *) __awsenv_complete_words --help ;;
    esac
}

# Without compopt (bash 3.2) file names after `--` can only come from a default that is always on.
if \builtin type compopt >/dev/null 2>&1; then
    \builtin complete -F __awsenv_complete awsenv
else
    \builtin complete -o default -F __awsenv_complete awsenv
fi
