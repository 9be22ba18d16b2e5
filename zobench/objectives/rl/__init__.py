"""Control: policies for gymnasium environments, and the linear-quadratic regulator."""
