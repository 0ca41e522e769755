"""awsenv: one verb switches the AWS identity of the shell you are in.

The codemap. A verb comes in at the top and leaves at the bottom.

    __main__.py    the front door, run by the shim by path; the only writer of stdout and of exit codes
    hot.py         the fast lane: `use` answered from the store, with sys, os and time alone
    shelf.py       the store as hot.py reads it;  turn.py  its lock, on a miss;  quick.py  off, current, init, list --names
    hook.py        what the prompt hook asks: from the store, or by a worker;  spawn.py  starts that;  renewer.py  it
    here.py        `here`, and what entering or leaving a folder asks;  place.py  which identity a folder is for
    history.py     who was used last, in any shell;  regional.py  `region`;  regions.py  which there are
    choose.py      `use` without a name;  roster.py  the rows to choose from;  fzf.py  for whoever has it
    cold.py        all that hot.py can't answer; errors end here
    cli.py         the Typer face: signatures and help → requests; no logic
    world.py       World: environment, clock, paths, who we are
    model.py       the values that flow: Profile, Step, Plan, Credentials, Lease, EnvChange, Outcome
    errors.py      the error tree and the exit codes
    sections.py    config text → sections and settings, each with its line;  config.py  both files → AwsConfig
    endpoints.py   where a service is called when the user overrides AWS's own;  network.py  certificates, FIPS, dual stack
    plan.py        AwsConfig + profile → Plan, and the passes on top of it
    overlay.py     what the command line puts on top of one;  spelling.py  those options, as words
    sources/       one way of authenticating a file; SOURCES is their precedence
    lease.py       a request → an identity in hand: read, plan, resolve; what `use`, `export`, `exec` and `whoami` share
    resolve.py     Plan + Store + Ports → Credentials: what is fresh is taken, the rest fetched, root first
    store.py       the store's port, and files behind it: 0600 in 0700, atomic, locked;  index.py  what hot.py reads
    clock.py       our clock and AWS's, where they differ
    change.py      Lease → what changes in the environment
    ports.py       what a step may ask of the outside
    aws/           AWS itself, by botocore;  terminal.py  the person;  files.py  AWS's files
    tokens.py      AWS's token folder;  login_tokens.py  the other one, of `aws login`
    machine.py     the container, instance or CI runner that we are on;  job.py  its file for a job's later steps
    roles.py       what a profile says of a role, checked;  stash.py  the environment as it was before awsenv
    process.py     becoming another program; starting a browser, or a worker of ours;  browser.py  which browser, which URL
    loopback.py    a few answers on 127.0.0.1;  callback.py  where a login comes back to;  handover.py  a secret URL to a
                   browser;  pages.py  what a browser shows
    renewal.py     a live token without a person;  background.py  the worker for it;  undisturbed.py  what is not cut short
    mfa.py         an MFA device, and the code that it shows;  program.py  a program that a setting names
    runner.py      such a program, asked for an answer;  trust.py  whether it may be
    sign_in.py     a login as `aws login` makes one
    login.py       a login with a person;  start_url.py  where;  logins.py  which one;  offer.py  in the middle of a verb
    guard.py       a question before an identity of a class
    waiting.py     what is said to those who wait for somebody else's login
    variables.py   the names of the environment variables;  text.py  words for people;  assets.py  finds shell/
    settings.py    our own settings;  prompt.py  how a lease presents itself;  explain.py  a plan, in words
    commands/      one verb a file → Outcome;  rcfile.py  a shell's rc text with our lines in it, and without
    portal.py      what a person has in Identity Center;  naming.py  profile names for it;  imported.py  both as rows
    config_writer.py  the AWS config text with our block in it;  replacing.py  a person's own file, replaced in one step
    proposal.py    a change of it, shown and asked about;  wrapping.py  a profile that asks awsenv for another one
    picker.py      a list on the terminal, searched by typing;  answers.py  a question asked until its answer will do
    doctor/        facts gathered once, checks over them, findings with the line to write instead
    console.py     the web console's URLs;  services.py  its services by name
    render/        shells.py: how a shell sets a variable;  formats.py: what `export` prints;  table.py
    demo/          a fake AWS on loopback, for `awsenv demo` and for the tests
"""

__version__ = "0.1.0"
