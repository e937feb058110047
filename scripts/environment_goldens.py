#!/usr/bin/env python3
"""Records what gymnasium and minatar do: the transitions that tests/rl/environments.test.cpp compares ours with.

Usage: scripts/environment_goldens.py >tests/rl/golden/transitions.txt
Needs the Python packages gymnasium 1.4.0 and MinAtar 1.0.15, with which it writes the same bytes again.
A line: environment | state | action | next state | reward terminated truncated | observation
The observation of the cliff is its cell; of Breakout, whose four planes are long, few are written. The lines at the end
are the last steps of episodes that the limit of time has cut off, with the number of the step behind them.
"""

import gymnasium
import numpy as np
from minatar.environments.breakout import Env

# The seed of the first reset, and the actions. An episode that has ended is followed by one of the seed + 1000.
COURSES = {
    "cartpole": ("CartPole-v1", [
        (1, "0111001100100100110011111001000010001010"),
        (2, "1000010001111010100101001011100111110000"),
        (3, "101010101010101010101010101010101001011001100110011001011001"),
    ]),
    "mountaincar": ("MountainCar-v0", [
        (4, "222122201101121022011201210222"),
        (5, "0" * 40 + "2" * 50 + "0" * 39 + "2"),
    ]),
    "acrobot": ("Acrobot-v1", [
        (6, "111121111201122022101022202212"),
        (7, "".join("02"[i % 2] * n for i, n in enumerate((7, 7, 6, 6, 6, 6, 7, 8, 9, 3, 14, 7, 6, 7, 6, 5)))),
    ]),
    "cliff": ("CliffWalking-v1", [(0, "322110000323223222231320132032300302011100000011111111222111")]),
}
# Breakout: from the ball in its left corner, and again from there where it was lost.
START = "0 3 2 4 0 0 3 " + "1" * 30
GAME = ("1003331111110333111033433335113332333311111133333301111133333011110333311151111113333333111111103333"
        "11114333331111103333331111115333411133333333121111")

# Single steps out of longer games: bricks from every side, balls that are lost, all bricks anew.
# Ball's column and row, direction, paddle, strike, the ball's last column and row, bricks row by row, action.
MOMENTS = """
9 8 2 6 0 8 7 111111111100010111000000111100 3
8 8 2 6 0 7 7 110111110110111001100001000000 3
2 8 3 4 0 3 7 111111111111111110111111111101 1
2 2 0 2 0 3 3 111111111111011111111010110111 1
4 8 2 2 0 3 7 101111111111011111110010110110 3
8 3 1 8 0 7 4 111111111111111111111111111101 3
7 8 2 4 0 6 7 111111111101011111100011111101 3
1 4 1 1 0 0 5 111111111111111111001111111100 3
2 3 1 2 0 1 4 111111111111111111001101111000 3
4 4 1 3 0 3 5 111111111111101111001101011000 3
6 3 0 6 0 7 4 111111111111111110111111110101 1
8 3 0 8 0 9 4 111111111111111111111111111101 1
2 4 0 4 0 3 5 111111111111111111111111111101 1
5 4 1 5 0 4 5 111111110111111111100011111100 3
2 4 1 1 0 1 5 111111111111111110111111111101 3
1 3 1 1 0 0 4 111111111111111111111011111111 3
0 4 1 1 0 0 5 111111111111111111111111111101 0
7 3 1 7 0 6 4 111111111111111000111111000001 3
3 4 0 3 0 4 5 111111111100111111110011111111 1
4 4 0 4 0 5 5 111111111111011111111011111111 1
4 3 0 4 0 5 4 101011101100011101110000000001 1
9 0 2 8 0 8 0 101001101100001001110000000001 1
9 1 3 9 0 9 0 101001101000001001110000000001 1
1 3 1 1 0 0 4 111111111111111111111011111111 3
2 4 1 2 0 1 5 111111111111011111111011110111 3
0 3 1 0 0 0 4 101111111111011111110010110111 3
7 0 2 6 0 6 0 101100011100000111000000000000 5
2 2 1 1 0 1 3 000100000000000001000000000000 3
2 8 3 2 0 3 7 000000000000000000000000000000 1
1 4 1 1 0 0 5 111111111111000111111010001111 4
9 3 0 8 0 9 4 111111111111111111101111111100 0
0 4 1 0 0 0 5 111111111111111111111111111101 3
9 3 1 9 0 8 4 111111111101111111111011111110 0
0 4 0 0 0 1 5 111111111100100110101000000100 0
7 0 3 7 0 8 0 100010100000000110100000000100 1
2 4 0 2 0 3 5 111111111111111111111111111111 1
8 3 0 8 0 9 4 111111111111111111111011111101 1
2 2 1 2 0 1 3 111111111111011110111010111101 3
8 3 0 8 0 9 4 111111111111111111111111111101 1
7 4 1 6 0 6 5 111111111111111111111011111111 3
0 3 0 0 0 1 4 111111111110100110110000000101 3
3 2 1 3 0 2 3 111111011100100100110000000001 3
2 4 1 2 0 1 5 111111111111111110111011111101 0
6 4 1 6 0 5 5 111111111111111111001111111100 4
5 4 0 6 0 6 5 111111111111110110111010110101 1
4 3 0 4 0 5 4 111111111111110110111010000101 1
"""
# Whoever leans against the pole's fall stays up until the limit of time; who does nothing gets nowhere.
LIMITS = {
    "cartpole": (1, lambda s: int(0.1 * s[0] + 0.3 * s[1] + 3 * s[2] + s[3] > 0)),
    "mountaincar": (2, lambda s: 1),
    "acrobot": (3, lambda s: 1),
}


def numbers(x):
    return " ".join(str(float(v)) for v in x)


def line(*parts):
    print(" | ".join(parts))


def state_of(env):
    s = env.unwrapped.s if hasattr(env.unwrapped, "s") else env.unwrapped.state
    return str(int(s)) if np.ndim(s) == 0 else numbers(s)


def record(name, env, action):
    """One step, as a line's first parts; whether the episode has ended."""
    before = state_of(env)
    seen, reward, terminated, truncated, _ = env.step(action)
    parts = [name, before, str(action), state_of(env), f"{float(reward)} {int(terminated)} {int(truncated)}",
             str(int(seen)) if np.ndim(seen) == 0 else numbers(seen)]
    return parts, terminated, truncated


def game_state(g):
    bricks = "".join(str(int(b)) for b in g.brick_map[1:4].reshape(-1))
    return f"{g.ball_x} {g.ball_y} {g.ball_dir} {g.pos} {int(g.strike)} {g.last_x} {g.last_y} {bricks}"


def put(g, words):
    g.ball_x, g.ball_y, g.ball_dir, g.pos, strike, g.last_x, g.last_y = (int(w) for w in words[:7])
    g.strike, g.terminal = bool(strike), False
    g.brick_map[1:4] = np.array([int(b) for b in words[7]]).reshape(3, 10)


def play(g, action, shown):
    before = game_state(g)
    reward, terminal = g.act(int(action))
    planes = g.state().transpose(2, 0, 1).reshape(-1).astype(int)
    line("breakout", before, str(action), game_state(g), f"{float(reward)} {int(terminal)} 0",
         "".join(map(str, planes)) if shown else "")
    return terminal


print("# Transitions recorded from gymnasium 1.4.0 and minatar 1.0.15 (the paddle keeps no sticky action there).")
print("# environment | state | action | next state | reward terminated truncated | observation (of gymnasium's)")
for name, (full_name, courses) in COURSES.items():
    for seed, actions in courses:
        env = gymnasium.make(full_name)
        env.reset(seed=seed)
        for action in actions:
            parts, terminated, truncated = record(name, env, int(action))
            line(*parts)
            if terminated or truncated:
                env.reset(seed=seed + 1000)

game = Env()
put(game, START.split())
for i, action in enumerate(GAME):
    if play(game, action, i % 10 == 0):
        put(game, START.split())
for i, moment in enumerate(MOMENTS.split("\n")[1:-1]):
    words = moment.split()
    put(game, words)
    play(game, words[-1], i in (3, 18, 24))

for name, (seed, policy) in LIMITS.items():
    env = gymnasium.make(COURSES[name][0])
    env.reset(seed=seed)
    step, ended = 0, False
    while not ended:
        parts, terminated, truncated = record(name, env, policy(env.unwrapped.state))
        step, ended = step + 1, terminated or truncated
    line(*parts, f"step {step}")
