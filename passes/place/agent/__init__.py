"""An agent that learns to map one program by playing the game: AlphaZero's scheme on the game's own rules.

After mallocMuZero (Wang et al., arXiv 2305.07440), whose networks and settings are not published. `train` is
the way in; `player` is the agent beside the other players.
"""
