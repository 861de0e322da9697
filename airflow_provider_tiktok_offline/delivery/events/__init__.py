"""The events of a delivery, whichever route they take, and the guards over them."""
