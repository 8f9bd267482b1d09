"""Shapes of residual networks, written down independently of the package's zoo."""

from xbarsim.network import Network, Node, make_conv2d, make_linear


class Builder:
    """Collect nodes; every method returns the name of what it added."""

    def __init__(self):
        self.nodes = []

    def add(self, node):
        self.nodes.append(node)
        return node.name

    def conv(self, name, source, fan_in, fan_out, kernel, stride=1, groups=1):
        padding = kernel // 2
        return self.add(
            make_conv2d(name, fan_in, fan_out, kernel, inputs=(source,), stride=stride, padding=padding, groups=groups)
        )

    def relu(self, source):
        return self.add(Node(name=f"{source}.relu", kind="relu", inputs=(source,)))

    def sum(self, name, first, second):
        return self.add(Node(name=name, kind="add", inputs=(first, second)))

    def pool(self, source):
        return self.add(
            Node(name=f"{source}.mean", kind="global_avg_pool", inputs=(source,), attributes={"keepdims": False})
        )

    def pool_kept(self, source):
        return self.add(Node(name=f"{source}.mean", kind="global_avg_pool", inputs=(source,)))


def resnet_cifar(blocks=3, widths=(16, 32, 64), size=32):
    """ResNet of 6 * blocks + 2 layers with parameter-free shortcuts (strided slice, channel padding)."""
    b = Builder()
    at = b.relu(b.conv("conv1", "input", 3, widths[0], 3))
    fan_in, extent = widths[0], size
    for stage, width in enumerate(widths, 1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            name, skip = f"layer{stage}.{block}", at
            at = b.relu(b.conv(f"{name}.conv1", at, fan_in, width, 3, stride))
            at = b.conv(f"{name}.conv2", at, width, width, 3)
            if stride == 2:
                ranges = ((0, fan_in, 1), (0, extent, 2), (0, extent, 2))
                skip = b.add(Node(name=f"{name}.slice", kind="slice", inputs=(skip,), attributes={"ranges": ranges}))
                side = (width - fan_in) // 2
                pads = ((side, side), (0, 0), (0, 0))
                skip = b.add(Node(name=f"{name}.pad", kind="pad", inputs=(skip,), attributes={"pads": pads}))
                extent //= 2
            at = b.relu(b.sum(f"{name}.add", at, skip))
            fan_in = width
    b.add(make_linear("fc", widths[-1], 10, inputs=(b.pool(at),)))
    return Network(name="resnet_cifar", nodes=tuple(b.nodes), input_shape=(3, size, size))


def resnet_bottleneck(depths=(3, 4, 6, 3), size=224):
    """ResNet-50 and its relatives, named as in torchvision."""
    b = Builder()
    at = b.relu(b.conv("conv1", "input", 3, 64, 7, 2))
    settings = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)}
    at = b.add(Node(name="maxpool", kind="max_pool", inputs=(at,), attributes=settings))
    fan_in = 64
    for stage, depth in enumerate(depths, 1):
        width = 64 * 2 ** (stage - 1)
        for block in range(depth):
            stride = 2 if stage > 1 and block == 0 else 1
            name, skip = f"layer{stage}.{block}", at
            at = b.relu(b.conv(f"{name}.conv1", skip, fan_in, width, 1))
            at = b.relu(b.conv(f"{name}.conv2", at, width, width, 3, stride))
            at = b.conv(f"{name}.conv3", at, width, 4 * width, 1)
            if block == 0:
                skip = b.conv(f"{name}.downsample.0", skip, fan_in, 4 * width, 1, stride)
            at = b.relu(b.sum(f"{name}.add", at, skip))
            fan_in = 4 * width
    b.add(make_linear("fc", fan_in, 1000, inputs=(b.pool(at),)))
    return Network(name="resnet_bottleneck", nodes=tuple(b.nodes), input_shape=(3, size, size))
