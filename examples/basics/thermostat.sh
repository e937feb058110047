#!/bin/sh
# A simulated room with a heater and a controller: the program that tune_program tunes when it is given none.
#   thermostat.sh KP KI KD     an hour from 12 to 21 degrees by a PID controller of these gains; the last line is the cost:
#                              the mean square error in degrees, and a little for heating and for jumps of the heater
exec awk -v kp="$1" -v ki="$2" -v kd="$3" 'BEGIN {
  room = wall = last = 12; set = 21; sum = heat = before = cost = 0
  for (i = 0; i < 6; ++i) pipe[i] = 0                       # hot water takes a minute to arrive
  for (t = 0; t < 360; ++t) {                               # steps of ten seconds
    error = set - room
    want = kp * error + ki * sum + kd * (last - room)
    heat = want < 0 ? 0 : want > 1 ? 1 : want
    if (want == heat) sum += error                          # no integration against the stop
    last = room
    arriving = pipe[t % 6]; pipe[t % 6] = heat
    room += 0.25 * arriving + 0.02 * (wall - room) + 0.004 * (2 - room)
    wall += 0.01 * (room - wall)
    cost += error * error + 0.2 * heat + 5 * (heat - before) * (heat - before)
    before = heat
  }
  printf "after an hour: %.2f degrees\ncost %.6f\n", room, cost / 360
}'
