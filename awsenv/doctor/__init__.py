"""What `awsenv doctor` knows: facts gathered once, pure checks over them, findings with the line to write instead."""
