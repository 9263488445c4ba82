"""Image classification: AlexNet, VGG, GoogLeNet, ResNet."""
