"""Records as columns, and the compiled readers that fill them."""

import numpy as np
from numpy.typing import NDArray

#: Records of numpy, one a row, whose type of record names their columns.
Rows = NDArray[np.void]
