#!/bin/sh
# Two trainings at once and, when the first of them is over, a third: PYTHON FOLDER
python=$1
folder=$2
here=$(dirname "$0")
"$python" "$here/two_trainings.py" "$folder" left &
left=$!
"$python" "$here/two_trainings.py" "$folder" right left &
wait $left
"$python" "$here/two_trainings.py" "$folder" last
wait
