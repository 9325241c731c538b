sweep --shuffle=yes
