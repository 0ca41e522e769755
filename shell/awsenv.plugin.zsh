# awsenv as a plugin of oh-my-zsh, antidote, zinit and the like: loads the shim beside this file.
#
# %x is the file being read, whatever $0 says; :A follows the link by which a plugin folder may lead here. The shim puts
# the completions on fpath, and registers them where compinit has already run (oh-my-zsh reads plugins after it).
# Quoted words for the reason that awsenv.zsh gives.

\builtin typeset -g +x "__awsenv_completions=${${(%):-%x}:A:h:h}/completions"
\builtin typeset -g +x "__awsenv_shell=${${(%):-%x}:A:h}"
\builtin source "$__awsenv_shell/awsenv.zsh"
