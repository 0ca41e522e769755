# TAB for awsenv where fisher loads it: the real file, from where awsenv itself is installed.
#
# Not a link to ../../completions/awsenv.fish: fisher first copies this folder alone, with its links as they are, and that
# one would lead nowhere. And what fisher copies stays as it is until `fisher update`; this way TAB knows today's verbs.

functions -q __awsenv_ready; and __awsenv_ready 2>/dev/null
and test -r "$__awsenv_completions/awsenv.fish"; and builtin source "$__awsenv_completions/awsenv.fish"
